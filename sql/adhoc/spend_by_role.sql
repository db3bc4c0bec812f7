-- What did it cost? One row per day, role and model; `calls` counts every attempt, and what is
-- `unpriced` is not in the dollars.
select
    created_at::date as day,
    role,
    model,
    sum(calls)::bigint as calls,
    count(*) filter (where not completed) as without_response,
    sum(prompt_tokens)::bigint as prompt_tokens,
    sum(completion_tokens)::bigint as completion_tokens,
    round(sum(cost_usd), 4) as usd,
    coalesce(sum(calls) filter (where cost_usd is null), 0)::bigint as unpriced
from spend
group by all
order by day, role, model;
