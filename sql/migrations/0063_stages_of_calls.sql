-- What a call was made for: a model in one role answers for several stages (the reference confirms
-- rewrites and votes for keys, the judge rates, compares and grades), and money is asked for by stage.

alter table responses add column stage varchar;        -- rewrite | rate | sample | assess | embed |
alter table failures add column stage varchar;         -- compare | teach; null in rows that are older
alter table batch_requests add column stage varchar;   -- than this
alter table batch_retries add column stage varchar;

create or replace view carried_attempts as
select
    batch_id, response_id, prompt_id, role, model, submission, attempts, malformed, prompt_tokens,
    completion_tokens, cost_usd, run_id, created_at, budget_usd, budget_tokens, uncounted, stage
from batch_retries
qualify
    row_number() over (partition by response_id order by submission desc) = 1
    and attempts > 0;

-- As before, with the stage; of older rows it is known where the role has only one.
create or replace view spend as
with calls as (
    select
        run_id, role, model, created_at, prompt_id, response_id, true as completed,
        attempts as calls,
        if(budget_tokens is null, prompt_tokens, billed_prompt_tokens) as prompt_tokens,
        if(budget_tokens is null, completion_tokens, billed_completion_tokens) as completion_tokens,
        cost_usd, budget_usd, budget_tokens, uncounted, stage
    from responses
    where server <> 'import'
    union all
    select
        run_id, role, model, created_at, prompt_id, response_id, false as completed,
        attempts as calls, prompt_tokens, completion_tokens, cost_usd, budget_usd, budget_tokens,
        uncounted, stage
    from failures
    union all
    select
        run_id, role, model, created_at, prompt_id, response_id, false as completed,
        attempts as calls, prompt_tokens, completion_tokens, cost_usd, budget_usd, budget_tokens,
        uncounted, stage
    from carried_attempts
)

select
    run_id, role, model, created_at, prompt_id, response_id, completed, calls, prompt_tokens,
    completion_tokens, cost_usd, budget_usd, budget_tokens, uncounted,
    coalesce(
        stage,
        case role
            when 'rewriter' then 'rewrite'
            when 'router' then 'rewrite'
            when 'student' then 'sample'
            when 'confirmer' then 'sample'
            when 'embedder' then 'embed'
            when 'teacher' then 'teach'
        end
    ) as stage
from calls;

-- One row per run, stage, role, model and domain: calls, tokens and dollars. The confirmations of a
-- rewrite that was not accepted are those of its parent's domain; what is no prompt has none.
create view spend_by_stage as
with proposed as (
    select prompt_id, any_value(parent_id) as parent_id
    from rewrites
    where prompt_id is not null
    group by prompt_id
)

select
    spend.run_id,
    spend.stage,
    spend.role,
    spend.model,
    coalesce(prompts.domain, parents.domain) as domain,
    sum(spend.calls)::bigint as calls,                   -- every attempt
    count(*) filter (spend.completed) as responses,
    count(*) filter (not spend.completed) as without_response,
    sum(spend.prompt_tokens)::bigint as prompt_tokens,
    sum(spend.completion_tokens)::bigint as completion_tokens,
    sum(spend.cost_usd) as usd,                          -- null if no price is known
    coalesce(sum(spend.calls) filter (spend.cost_usd is null), 0)::bigint as unpriced
from spend
left join prompts on spend.prompt_id = prompts.prompt_id
left join proposed on spend.prompt_id = proposed.prompt_id and prompts.prompt_id is null
left join prompts as parents on proposed.parent_id = parents.prompt_id
group by all;
