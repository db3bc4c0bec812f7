-- critical: No pair's prompt or response was found in a benchmark.
select measured.pair_id, 'prompt ' || measured.prompt_id || ' holds a benchmark item' as detail
from measured
inner join expected_flagged on measured.prompt_id = expected_flagged.prompt_id
union all
select measured.pair_id, 'response ' || measured.response_id || ' holds a benchmark item' as detail
from measured
inner join expected_flagged_responses
    on measured.response_id = expected_flagged_responses.response_id
order by pair_id
