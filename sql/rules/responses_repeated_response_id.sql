-- critical: No two responses have one id.
select response_id, count(*) || ' rows' as detail
from responses
group by response_id
having count(*) > 1
order by response_id
