-- critical: One row per pair that the student solves too often or too seldom, or nobody knows how often.
with pairs as (select pair_id, domain, pass_rate from {batch}),

banded as (
    select
        pairs.pair_id,
        pairs.pass_rate,
        coalesce(own.low, every.low) as low,
        coalesce(own.high, every.high) as high
    from pairs
    inner join expected_bands as every on every.domain is null
    left join expected_bands as own on pairs.domain = own.domain
)

select
    pair_id,
    'pass rate ' || coalesce(pass_rate::varchar, 'unknown') || ' is not in ' || low || ' to ' || high
        as detail
from banded
where coalesce(pass_rate not between low and high, true)
order by pair_id
