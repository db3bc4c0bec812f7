-- critical: One row per pair whose prompt was found in a benchmark.
with pairs as (select pair_id, prompt_id from {batch})

select pairs.pair_id, 'prompt ' || pairs.prompt_id || ' holds a benchmark item' as detail
from pairs
inner join expected_flagged on pairs.prompt_id = expected_flagged.prompt_id
order by pairs.pair_id
