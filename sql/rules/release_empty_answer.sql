-- critical: One row per pair whose response says nothing once its reasoning is taken away.
with endings as (
    select pair_id, right(messages[-1].content, 100) as ending
    from {batch}
)

select pair_id, 'nothing after the reasoning' as detail
from endings
where not regexp_matches(coalesce(ending, ''), '\S') or regexp_matches(ending, '</think>\s*$')
order by pair_id
