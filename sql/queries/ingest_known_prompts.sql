-- One row per prompt of the given ids that the store has, with the answer it came with or got since.
select prompts.prompt_id, coalesce(mended.answer, prompts.answer) as answer
from prompts
left join current_mended_answers as mended on prompts.prompt_id = mended.prompt_id
where prompts.prompt_id in (select unnest($ids::varchar[]))
