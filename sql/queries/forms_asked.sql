-- One row per domain and answer type that prompts have, but for frozen domains: those stay as they are.
select distinct domain, answer_type
from prompts
where not list_contains($frozen::varchar[], coalesce(domain, 'none'))
order by all
