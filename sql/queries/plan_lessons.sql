-- One row per given prompt, as a teacher would be asked about it, and how many samples are wanted if
-- those that were made elsewhere count.
select
    prompts.prompt_id,
    prompts.text,
    prompts.choices,
    prompts.answer_type,
    prompts.domain,
    greatest($samples - coalesce(imported.samples, 0), 0) as wanted
from prompts
left join imported_samples('teacher', null, $low, $high) as imported
    on prompts.prompt_id = imported.prompt_id
where
    prompts.prompt_id in (select unnest($prompt_ids::varchar[]))
    and prompts.prompt_id >= $low
    and prompts.prompt_id < $high
order by prompts.prompt_id
