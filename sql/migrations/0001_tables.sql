-- The tables of a store. Ids are content hashes; nothing is ever updated except the end of a run.

create table prompts (
    prompt_id varchar,        -- content hash of text, choices, domain and, for a rewrite, its making
    root_id varchar,          -- the seed it descends from; its own id for a seed
    parent_id varchar,        -- what a rewrite was made of; null for a seed
    kind varchar,             -- seed | rewrite
    domain varchar,           -- math, science, code, safety, …
    text varchar,             -- what a model is asked, without options and format instructions
    choices varchar[],        -- the options of a choice, without letters
    answer varchar,           -- the answer it came with; null if none
    answer_type varchar,      -- number | expression | choice | text | code | open
    answer_source varchar,    -- gold (came with a seed) | execution (computed); null without answer
    program varchar,          -- expression that computes the answer
    solution varchar,         -- worked solution it came with
    tests varchar[],          -- assert statements of a code problem
    reference varchar,        -- reference solution of a code problem
    level integer,            -- the author's difficulty, 1 to 5
    strategy varchar,         -- how a rewrite was made, e.g. new_numbers
    template varchar,         -- strategy and template version, e.g. new_numbers@1
    made_by varchar,          -- response_id of the rewriter's response
    simulated boolean,        -- made by the simulator
    run_id varchar,
    created_at timestamptz
);

create table prompt_sources (
    prompt_id varchar,
    source varchar,           -- the set's name
    licence varchar,
    uri varchar,              -- file name or URI it was read from
    row_number bigint,        -- 1 is the first row of that file
    external_id varchar,      -- the row's own id
    run_id varchar,
    created_at timestamptz
);

create table quarantine (
    quarantine_id varchar,    -- content hash of uri, row and reason
    uri varchar,
    row_number bigint,
    purpose varchar,          -- seed | benchmark | response
    reason varchar,           -- short code, e.g. missing_prompt
    detail varchar,           -- what was expected and how to mend it
    raw varchar,              -- the row as read, at most 2,000 characters
    run_id varchar,
    created_at timestamptz
);

create table benchmark_items (
    item_id varchar,
    benchmark varchar,
    text varchar,
    choices varchar[],
    answer varchar,
    uri varchar,
    row_number bigint,
    run_id varchar,
    created_at timestamptz
);

create table responses (
    response_id varchar,      -- the request's key: everything that changes the answer
    reuse_key varchar,        -- the same without the token ceiling
    prompt_id varchar,
    role varchar,             -- rewriter | reference | student | teacher | judge
    model varchar,            -- as asked for
    resolved_model varchar,   -- as the server named it
    server varchar,           -- base URL, `simulator` or `import`
    template varchar,         -- message template and version, e.g. solve@1
    parameters json,          -- sampling parameters as sent
    sample_index integer,
    content varchar,          -- the answer, reasoning taken out
    reasoning varchar,        -- null if there was none
    finish_reason varchar,    -- stop | length | …
    max_tokens integer,
    prompt_tokens bigint,
    cached_tokens bigint,
    completion_tokens bigint,
    reasoning_tokens bigint,
    cost_usd double,          -- null if a price is unknown
    latency_s double,
    attempts integer,
    provider_request_id varchar,
    raw_body varchar,         -- the server's body as it came
    simulated boolean,
    run_id varchar,
    created_at timestamptz
);

create table failures (
    response_id varchar,      -- the request that has no response
    prompt_id varchar,
    role varchar,
    model varchar,
    server varchar,
    template varchar,
    sample_index integer,
    failure varchar,          -- retryable | rate_limited | refused | malformed | rejected
    attempts integer,
    message varchar,
    raw_body varchar,
    prompt_tokens bigint,
    completion_tokens bigint,
    cost_usd double,          -- what the failed attempts cost, where the server said so
    run_id varchar,
    created_at timestamptz
);

create table rewrites (
    response_id varchar,      -- the rewriter's response
    parent_id varchar,
    root_id varchar,
    strategy varchar,
    template varchar,
    prompt_id varchar,        -- the candidate; it is in prompts only if accepted
    accepted boolean,
    reason varchar,           -- accepted, or why not
    detail varchar,
    run_id varchar,
    created_at timestamptz
);

create table keys (
    key_id varchar,           -- content hash of the other columns
    prompt_id varchar,
    answer varchar,
    answer_type varchar,
    source varchar,           -- gold | execution | plurality
    votes integer,            -- samples that agree with the answer; null unless plurality
    samples integer,          -- samples that gave an answer
    share double,             -- votes / samples
    trusted boolean,          -- false: the prompt needs a review
    run_id varchar,
    created_at timestamptz
);

create table grades (
    response_id varchar,
    key_id varchar,
    verifier varchar,
    version integer,
    verdict varchar,          -- correct | wrong | truncated | unverifiable
    extracted varchar,        -- the answer found in the response
    reason varchar,
    run_id varchar,
    created_at timestamptz
);

create table difficulty (
    prompt_id varchar,
    student varchar,
    key_id varchar,
    correct integer,
    wrong integer,
    truncated integer,
    unverifiable integer,
    pass_rate double,         -- correct / (correct + wrong); null if nothing was decided
    low double,               -- 95 % Jeffreys interval of the pass rate
    high double,
    run_id varchar,
    created_at timestamptz
);

create table duplicates (
    prompt_id varchar,
    representative_id varchar, -- its own id if it is a duplicate no longer
    method varchar,           -- exact
    score double,
    run_id varchar,
    created_at timestamptz
);

create table contamination (
    prompt_id varchar,
    item_id varchar,
    benchmark varchar,
    method varchar,           -- 13-gram | exact (too short for 13 words)
    score double,             -- shared 13-grams; 1 if exact
    span varchar,             -- the words they share
    run_id varchar,
    created_at timestamptz
);

create table decisions (
    policy varchar,           -- name@digest of its settings
    prompt_id varchar,
    kept boolean,
    stage varchar,            -- the stage that dropped it; select if kept
    reason varchar,           -- kept, or why not
    detail varchar,
    run_id varchar,
    created_at timestamptz
);

create table releases (
    release_id varchar,       -- content hash of the manifest
    version integer,          -- 1, 2, … per recipe
    recipe varchar,
    policy varchar,
    folder varchar,
    pairs bigint,
    validation_pairs bigint,
    gate json,                -- the gate's result
    simulated boolean,
    run_id varchar,
    created_at timestamptz
);

create table release_pairs (
    release_id varchar,
    pair_id varchar,          -- content hash of prompt and response
    prompt_id varchar,
    response_id varchar,
    split varchar             -- train | validation
);

create table runs (
    run_id varchar,           -- the root flow run's id in Prefect
    recipe varchar,
    recipe_digest varchar,
    flow varchar,
    code_version varchar,
    host varchar,
    process_id integer,
    state varchar,            -- running | completed | failed | interrupted
    message varchar,
    started_at timestamptz,
    finished_at timestamptz
);
