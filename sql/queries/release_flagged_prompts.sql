-- One row per prompt that holds an item of a benchmark that counts.
select distinct prompt_id
from tainting
where response_id is null
order by prompt_id
