-- critical: The student solves no pair's prompt too often or too seldom, and it is known how often.
-- What the policy keeps as an anchor or of a frozen domain may lie outside, but its rate has to be known.
with banded as (
    select
        measured.pair_id,
        measured.pass_rate,
        measured.key_source,
        expected_anchors.prompt_id is not null as is_anchor,
        coalesce(own.low, every.low) as low,
        coalesce(own.high, every.high) as high
    from measured
    inner join expected_bands as every on every.domain is null
    left join expected_bands as own on measured.domain = own.domain
    left join expected_anchors on measured.prompt_id = expected_anchors.prompt_id
)

select
    pair_id,
    'pass rate ' || coalesce(pass_rate::varchar, 'unknown') || ' is not in ' || low || ' to ' || high
        as detail
from banded
where
    key_source is distinct from 'rubric' -- Nobody can measure a rate where no answer can be checked.
    and (pass_rate is null or (pass_rate not between low and high and not is_anchor))
order by pair_id
