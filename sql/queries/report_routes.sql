-- One row per route and decider: the seeds, by how it came to that, and what asking cost.
with counted as (
    select
        route,
        decided_by,
        model,
        reason,
        sum(seeds)::bigint as seeds,
        sum(cost_usd) as usd
    from route_accounts
    group by all
)

select
    route,
    decided_by,
    model,
    sum(seeds)::bigint as seeds,
    list(reason || ' ' || seeds order by seeds desc, reason) as reasons,
    sum(usd) as usd
from counted
group by route, decided_by, model
order by route, decided_by desc, model
