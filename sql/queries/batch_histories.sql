-- One row per unanswered request on these prompts that was in a batch before, and its attempts.
with latest as (
    select
        response_id,
        max(submission) as submission
    from batch_requests
    where role = $role and prompt_id in (select unnest($prompt_ids))
    group by response_id
),

misshapen as (
    select
        response_id,
        arg_max(spoilt, submission) as spoilt
    from batch_retries
    where spoilt is not null
    group by response_id
)

select
    latest.response_id,
    latest.submission + 1 as submission,
    coalesce(carried_attempts.attempts, 0) as attempts,
    coalesce(carried_attempts.malformed, 0) as malformed,
    case
        when carried_attempts.response_id is null then 0 else carried_attempts.prompt_tokens
    end as prompt_tokens,
    case
        when carried_attempts.response_id is null then 0 else carried_attempts.completion_tokens
    end as completion_tokens,
    case
        when carried_attempts.response_id is null then 0.0 else carried_attempts.cost_usd
    end as cost_usd,
    case
        when carried_attempts.response_id is null then 0.0 else carried_attempts.budget_usd
    end as budget_usd,
    case
        when carried_attempts.response_id is null then 0 else carried_attempts.budget_tokens
    end as budget_tokens,
    carried_attempts.uncounted,
    coalesce(misshapen.spoilt, '') as spoilt
from latest
left join carried_attempts on latest.response_id = carried_attempts.response_id
left join misshapen on latest.response_id = misshapen.response_id
where
    not exists (select 1 from responses where responses.response_id = latest.response_id)
