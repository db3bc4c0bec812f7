-- critical: No call has fewer than no tokens or costs less than nothing.
select response_id, 'tokens or dollars below zero' as detail
from spend
where cost_usd < 0 or prompt_tokens < 0 or completion_tokens < 0 or not coalesce(isfinite(cost_usd), true)
order by response_id
