-- One row per prompt of the given ids that the store has, with the answer it came with or got since.
select prompt_id, answer
from answered_prompts
where prompt_id in (select unnest($ids::varchar[]))
