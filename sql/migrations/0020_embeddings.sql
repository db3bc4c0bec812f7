-- Embeddings: texts as directions, what is near in them, and what a judge said of it.

create table embeddings (
    text_id varchar,          -- prompt_id, or item_id of a benchmark
    embedder varchar,         -- digest of the server, the model and its parameters
    vector float[],           -- of length 1, so that an inner product is a cosine
    response_id varchar,      -- the call that it was paid with
    simulated boolean,
    run_id varchar,
    created_at timestamptz
);

-- Items of a benchmark that are near a prompt, whatever a judge says of them.
create table near_items (
    prompt_id varchar,
    item_id varchar,
    benchmark varchar,
    similarity double,        -- cosine
    screen varchar,           -- digest of the items and of the settings of the comparison
    run_id varchar,
    created_at timestamptz
);

-- What the judge said of a prompt and an item near it, shown in both orders.
create table comparisons (
    prompt_id varchar,
    item_id varchar,
    screen varchar,
    score double,             -- the share of its two words that call them the same problem
    detail varchar,           -- cosine and reasons
    run_id varchar,
    created_at timestamptz
);

-- Prompts that are near each other and of other roots; prompt_id is the smaller id.
create table neighbours (
    prompt_id varchar,
    other_id varchar,
    embedder varchar,
    similarity double,        -- cosine
    same_numbers boolean,     -- and the same signs of formulas, and options or none
    run_id varchar,
    created_at timestamptz
);

alter table contamination add column detail varchar; -- how sure it is, and the judge's reasons

create or replace view current_contamination as
select
    prompt_id, response_id, item_id, benchmark, method, score, span, run_id, created_at, detail
from contamination
qualify row_number() over (
    partition by prompt_id, response_id, item_id, method order by created_at desc
) = 1;

-- Prompts that are compared by their embeddings: those that money may be spent on, and those that
-- nothing but such a comparison has set aside, whose verdict may be another one with other settings.
create view comparable_prompts as
select prompts.prompt_id, prompts.root_id, prompts.text, prompts.choices
from prompts
where
    not exists (
        select 1
        from current_duplicates
        where
            current_duplicates.prompt_id = prompts.prompt_id
            and current_duplicates.representative_id <> prompts.prompt_id
    )
    and not exists (
        select 1
        from tainting
        where
            tainting.prompt_id = prompts.prompt_id
            and tainting.response_id is null
            and tainting.method <> 'embedding'
    )
    and not exists (
        select 1
        from withdrawn_prompts
        where withdrawn_prompts.prompt_id = prompts.prompt_id
    )
    and not exists (
        select 1
        from current_objections
        where
            current_objections.prompt_id = prompts.prompt_id
            and current_objections.response_id is null
            and current_objections.reason is not null
            and current_objections.prompt_id not in (
                select current_reviews.prompt_id from current_reviews where current_reviews.refusal is null
            )
    );
