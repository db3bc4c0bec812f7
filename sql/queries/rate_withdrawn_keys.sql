-- One row is a rubric that is a prompt's key and that its domain ($domains: those that still have one)
-- names no more. Frozen domains are left out: what they have stays what it is.
select
    current_keys.key_id,
    current_keys.prompt_id,
    current_keys.answer,
    current_keys.answer_type,
    current_keys.source,
    false as trusted
from current_keys
inner join prompts on current_keys.prompt_id = prompts.prompt_id
where
    current_keys.source = 'rubric'
    and current_keys.trusted
    and not list_contains($domains::varchar[], coalesce(prompts.domain, 'none'))
    and not list_contains($frozen::varchar[], coalesce(prompts.domain, 'none'))
order by current_keys.prompt_id
