-- One row per strategy and rewriter: its replies and failed calls, what was accepted, the most
-- frequent refusals and what it all cost.
with outcomes as (
    select
        strategy,
        model,
        accepted,
        reason,
        sum(rewrites)::bigint as rewrites,
        sum(rewriter_usd + confirmation_usd) as usd
    from rewrite_accounts
    where reason <> 'continued'
    group by all
),

refusals as (
    select
        strategy,
        model,
        list(reason || ' ' || rewrites order by rewrites desc, reason)[:4] as reasons
    from outcomes
    where not accepted
    group by all
)

select
    outcomes.strategy,
    outcomes.model,
    sum(outcomes.rewrites)::bigint as replies,
    coalesce(sum(outcomes.rewrites) filter (outcomes.accepted), 0)::bigint as accepted,
    any_value(refusals.reasons) as reasons,
    sum(outcomes.usd) as usd
from outcomes
left join refusals
    on outcomes.strategy = refusals.strategy and outcomes.model is not distinct from refusals.model
group by outcomes.strategy, outcomes.model
order by outcomes.strategy, outcomes.model
