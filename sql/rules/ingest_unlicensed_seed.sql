-- warning: Every seed came with a licence.
select prompt_id, 'no licence' as detail
from current_sources
group by prompt_id
having count(licence) = 0
order by prompt_id
