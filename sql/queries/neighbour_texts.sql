-- One row is a prompt of those given, its root and its text.
select prompt_id, root_id, text, choices
from prompts
where prompt_id in (select unnest($prompt_ids::varchar[]))
