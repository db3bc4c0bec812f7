-- One row: what a budget counts of all that this store has ever recorded of model calls. Rows that
-- are older than this count have what was known; `spent_uncounted` has the rest of them.
select
    coalesce(sum(coalesce(budget_usd, cost_usd)), 0.0)::double as usd,
    coalesce(
        sum(coalesce(budget_tokens, coalesce(prompt_tokens, 0) + coalesce(completion_tokens, 0))), 0
    )::bigint as tokens,
    coalesce(sum(calls), 0)::bigint as calls,
    coalesce(sum(uncounted), 0)::bigint as uncounted
from spend
