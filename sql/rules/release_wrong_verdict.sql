-- critical: One row per pair whose answer does not agree with its key, where only such are released.
with pairs as (select pair_id, verdict from {batch})

select pairs.pair_id, 'verdict ' || coalesce(pairs.verdict, 'missing') as detail
from pairs
inner join expected_counts as only_correct on only_correct.name = 'only_correct'
where only_correct.value = 1 and pairs.verdict is distinct from 'correct'
order by pairs.pair_id
