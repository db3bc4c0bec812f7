-- One row: everything this store has ever recorded of what model calls cost.
select
    coalesce(sum(cost_usd), 0.0)::double as usd,
    coalesce(sum(coalesce(prompt_tokens, 0) + coalesce(completion_tokens, 0)), 0)::bigint as tokens,
    coalesce(sum(calls), 0)::bigint as calls
from spend
