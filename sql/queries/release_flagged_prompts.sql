-- One row per prompt that was found in a benchmark.
select distinct prompt_id
from contamination
order by prompt_id
