-- One row per prompt of a domain that nothing but a rubric can tell a good response to.
select prompt_id
from prompts
where domain = $domain and answer_type = 'open'
order by prompt_id
