-- critical: The student solves no pair's prompt too often or too seldom, and it is known how often.
with banded as (
    select
        measured.pair_id,
        measured.pass_rate,
        coalesce(own.low, every.low) as low,
        coalesce(own.high, every.high) as high
    from measured
    inner join expected_bands as every on every.domain is null
    left join expected_bands as own on measured.domain = own.domain
)

select
    pair_id,
    'pass rate ' || coalesce(pass_rate::varchar, 'unknown') || ' is not in ' || low || ' to ' || high
        as detail
from banded
where coalesce(pass_rate not between low and high, true)
order by pair_id
