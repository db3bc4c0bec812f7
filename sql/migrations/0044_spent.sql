-- What a budget counts of a call is kept with it, so that a later run counts the same: the tokens of
-- every attempt, and the most that those can have taken which nobody has counted.

alter table responses add column billed_prompt_tokens bigint;     -- of all attempts, as the next;
alter table responses add column billed_completion_tokens bigint; -- null if one was not counted
alter table responses add column budget_usd double;       -- all attempts; null if a price was unknown
alter table responses add column budget_tokens bigint;    -- null in rows that are older than this
alter table responses add column uncounted integer;       -- attempts of which those are estimates

alter table failures add column failure_id varchar;       -- a request may fail more than once in a run
alter table failures add column budget_usd double;
alter table failures add column budget_tokens bigint;
alter table failures add column uncounted integer;

alter table batch_requests add column budget_usd double;
alter table batch_requests add column budget_tokens bigint;
alter table batch_requests add column uncounted integer;

alter table batch_retries add column budget_usd double;
alter table batch_retries add column budget_tokens bigint;
alter table batch_retries add column uncounted integer;

create or replace view carried_attempts as
select
    batch_id, response_id, prompt_id, role, model, submission, attempts, malformed, prompt_tokens,
    completion_tokens, cost_usd, run_id, created_at, budget_usd, budget_tokens, uncounted
from batch_retries
qualify
    row_number() over (partition by response_id order by submission desc) = 1
    and attempts > 0;

create or replace view spend as
select
    run_id, role, model, created_at, prompt_id, response_id, true as completed, attempts as calls,
    if(budget_tokens is null, prompt_tokens, billed_prompt_tokens) as prompt_tokens,
    if(budget_tokens is null, completion_tokens, billed_completion_tokens) as completion_tokens,
    cost_usd, budget_usd, budget_tokens, uncounted
from responses
where server <> 'import'
union all
select
    run_id, role, model, created_at, prompt_id, response_id, false as completed, attempts as calls,
    prompt_tokens, completion_tokens, cost_usd, budget_usd, budget_tokens, uncounted
from failures
union all
select
    run_id, role, model, created_at, prompt_id, response_id, false as completed, attempts as calls,
    prompt_tokens, completion_tokens, cost_usd, budget_usd, budget_tokens, uncounted
from carried_attempts;
