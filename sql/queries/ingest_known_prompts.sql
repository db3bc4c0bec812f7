-- One row per prompt of the given ids that the store has, with the answer it came with.
select prompts.prompt_id, prompts.answer
from prompts
where prompts.prompt_id in (select unnest($ids::varchar[]))
