-- critical: One row per sum that does not come out: prompts = kept + dropped, pairs = kept.
with counts as (
    select name, value from expected_counts
    union all
    select 'pairs' as name, count(*) as value from {batch}
),

sums as (
    select
        sum(value) filter (where name = 'prompts') as prompts,
        sum(value) filter (where name = 'kept') as kept,
        sum(value) filter (where name = 'dropped') as dropped,
        sum(value) filter (where name = 'pairs') as pairs
    from counts
)

select
    null::varchar as pair_id,
    prompts || ' prompts, but ' || kept || ' kept and ' || dropped || ' dropped' as detail
from sums
where prompts <> kept + dropped
union all
select null::varchar as pair_id, pairs || ' pairs of ' || kept || ' kept prompts' as detail
from sums
where pairs <> kept
