-- critical: No call has fewer than no tokens or costs less than nothing, nor less for a budget than it did.
select
    response_id,
    if(
        cost_usd < 0 or prompt_tokens < 0 or completion_tokens < 0
        or not coalesce(isfinite(cost_usd), true),
        'tokens or dollars below zero',
        'a budget counts fewer tokens or dollars of it than it took'
    ) as detail
from spend
where
    cost_usd < 0
    or prompt_tokens < 0
    or completion_tokens < 0
    or not coalesce(isfinite(cost_usd), true)
    or budget_usd < cost_usd - 1e-9
    or budget_tokens < prompt_tokens + completion_tokens
order by response_id
