-- critical: One row per pair whose prompt or response was found in a benchmark.
with pairs as (select pair_id, prompt_id, response_id from {batch})

select pairs.pair_id, 'prompt ' || pairs.prompt_id || ' holds a benchmark item' as detail
from pairs
inner join expected_flagged on pairs.prompt_id = expected_flagged.prompt_id
union all
select pairs.pair_id, 'response ' || pairs.response_id || ' holds a benchmark item' as detail
from pairs
inner join expected_flagged_responses
    on pairs.response_id = expected_flagged_responses.response_id
order by pair_id
