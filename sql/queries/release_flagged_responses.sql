-- One row per response that holds an item of a benchmark that counts.
select distinct response_id
from tainting
where response_id is not null
order by response_id
