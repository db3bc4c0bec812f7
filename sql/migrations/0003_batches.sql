-- Batches: calls that a provider answers within a day, at a lower price.

create table batches (
    batch_id varchar,         -- content hash of its requests; in the provider's metadata as well
    role varchar,
    model varchar,
    server varchar,
    settings json,            -- of the model as they were: sampling, ceiling, prices of the batch
    requests integer,
    input_bytes bigint,
    simulated boolean,
    run_id varchar,
    created_at timestamptz
);

create table batch_requests (
    batch_id varchar,
    response_id varchar,      -- the request's key, and its custom_id in the file
    reuse_key varchar,
    prompt_id varchar,
    role varchar,
    server varchar,
    template varchar,
    sample_index integer,
    schema json,              -- name and schema of a structured answer; null if free
    line integer,             -- its place in the input file, from 1
    submission integer,       -- how many batches it was in before
    attempts integer,         -- what its earlier attempts in batches came to
    malformed integer,
    prompt_tokens bigint,
    completion_tokens bigint,
    cost_usd double,
    reserved_usd double,      -- the most it can cost
    reserved_tokens bigint,
    run_id varchar,
    created_at timestamptz
);

create table batch_states (
    batch_id varchar,
    state varchar,            -- uploaded, then the provider's own, then folded | abandoned
    provider_batch_id varchar,
    input_file_id varchar,
    output_file_id varchar,
    error_file_id varchar,
    completed integer,        -- requests, as the provider counts them
    failed integer,
    detail varchar,           -- why it failed, or what it came to
    run_id varchar,
    created_at timestamptz
);

create table batch_retries (
    batch_id varchar,         -- the batch in which an attempt failed that is made again
    response_id varchar,
    prompt_id varchar,
    role varchar,
    model varchar,
    submission integer,
    failure varchar,
    message varchar,
    attempts integer,         -- all attempts so far; 0: they are in a response or a failure now
    malformed integer,
    prompt_tokens bigint,
    completion_tokens bigint,
    cost_usd double,
    run_id varchar,
    created_at timestamptz
);

-- One row per batch: what became of it so far. It is over once it is folded or abandoned.
create view current_batches as
select
    batches.batch_id,
    batches.role,
    batches.model,
    batches.server,
    batches.requests,
    coalesce(arg_max(batch_states.state, batch_states.created_at), 'prepared') as state,
    max(batch_states.state) filter (
        batch_states.state in ('completed', 'failed', 'expired', 'cancelled')
    ) as ended,
    coalesce(
        bool_or(batch_states.state in ('folded', 'abandoned')), false
    ) as is_over,
    max(batch_states.provider_batch_id) as provider_batch_id,
    max(batch_states.input_file_id) as input_file_id,
    max(batch_states.output_file_id) as output_file_id,
    max(batch_states.error_file_id) as error_file_id,
    coalesce(max(batch_states.completed), 0) as completed,
    coalesce(max(batch_states.failed), 0) as failed,
    max(batch_states.detail) as detail,
    batches.settings,
    batches.simulated,
    batches.run_id,
    batches.created_at,
    max(batch_states.created_at) as changed_at
from batches
left join batch_states on batches.batch_id = batch_states.batch_id
group by all;

-- A batch is written down before its requests, so that none of them can be held for ever.
create view held_requests as
select batch_id, response_id, reuse_key, prompt_id, role, server, reserved_usd, reserved_tokens
from batch_requests
where
    batch_id not in (
        select batch_id
        from batch_states
        where state in ('folded', 'abandoned')
    );

-- One row per request whose attempts in batches are in no response and in no failure yet.
create view carried_attempts as
select
    batch_id, response_id, prompt_id, role, model, submission, attempts, malformed, prompt_tokens,
    completion_tokens, cost_usd, run_id, created_at
from batch_retries
qualify
    row_number() over (partition by response_id order by submission desc) = 1
    and attempts > 0;

create or replace view spend as
select
    run_id, role, model, created_at, prompt_id, response_id, true as completed, attempts as calls,
    prompt_tokens, completion_tokens, cost_usd
from responses
where server <> 'import'
union all
select
    run_id, role, model, created_at, prompt_id, response_id, false as completed, attempts as calls,
    prompt_tokens, completion_tokens, cost_usd
from failures
union all
select
    run_id, role, model, created_at, prompt_id, response_id, false as completed, attempts as calls,
    prompt_tokens, completion_tokens, cost_usd
from carried_attempts;
