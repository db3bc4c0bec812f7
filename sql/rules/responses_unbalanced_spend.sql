-- critical: What each model is said to have cost is the sum of its calls.
with calls as (
    select role, model, cost_usd from responses where server <> 'import'
    union all
    select role, model, cost_usd from failures
    union all
    -- What batches were paid for and have yet to bring a whole answer.
    select role, model, cost_usd from carried_attempts
),

summed as (
    select role, model, count(*) as calls, coalesce(sum(cost_usd), 0) as dollars
    from calls
    group by role, model
),

said as (
    select role, model, count(*) as calls, coalesce(sum(cost_usd), 0) as dollars
    from spend
    group by role, model
)

select
    null::varchar as response_id,
    coalesce(said.model, summed.model) || ' as ' || coalesce(said.role, summed.role) || ': '
    || coalesce(said.dollars, 0) || ' dollars said, ' || coalesce(summed.dollars, 0) || ' in calls' as detail
from summed
full join said on summed.role = said.role and summed.model = said.model
where
    coalesce(said.calls, 0) <> coalesce(summed.calls, 0)
    or abs(coalesce(said.dollars, 0) - coalesce(summed.dollars, 0)) > 1e-6 * greatest(1, summed.dollars)
order by detail
