-- critical: No two prompts have one id.
select prompt_id, count(*) || ' rows' as detail
from prompts
group by prompt_id
having count(*) > 1
order by prompt_id
