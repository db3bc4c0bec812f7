-- One row per given prompt, as a teacher would be asked about it.
select prompt_id, text, choices, answer_type, domain
from prompts
where prompt_id in (select unnest($prompt_ids::varchar[]))
order by prompt_id
