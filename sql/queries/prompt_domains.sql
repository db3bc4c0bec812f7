-- One row per domain that prompts have.
select distinct coalesce(domain, 'none') as domain
from prompts
order by domain
