-- One row per given prompt that has no response yet that is enough, or of which more are
-- wanted ($even_if_fit), as a teacher would be asked about it, and how many samples are wanted if those
-- that were made elsewhere count.
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
anti join (
    select prompt_id
    from answered_lessons(
        $writer, $only_correct, $text_rules, $permanent, $even_awaited, $low, $high
    )
    where not $even_if_fit
) as answered
    on prompts.prompt_id = answered.prompt_id
where
    prompts.prompt_id in (select unnest($prompt_ids::varchar[]))
    and prompts.prompt_id >= $low
    and prompts.prompt_id < $high
order by prompts.prompt_id
