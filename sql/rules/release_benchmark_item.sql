-- critical: No pair's prompt was found in a benchmark.
select measured.pair_id, 'prompt ' || measured.prompt_id || ' holds a benchmark item' as detail
from measured
inner join expected_flagged on measured.prompt_id = expected_flagged.prompt_id
order by measured.pair_id
