-- One row is a prompt whose own answer, as it was read last, or whose tests, are not its current key
-- yet. What people said of a prompt goes before its own answer.
select
    prompts.prompt_id,
    prompts.answer,
    prompts.key_type as answer_type,
    coalesce(prompts.answer_source, 'gold') as source
from answered_prompts as prompts
left join current_keys
    on prompts.prompt_id = current_keys.prompt_id
    and prompts.answer is not distinct from current_keys.answer
    and prompts.key_type = current_keys.answer_type
    and coalesce(prompts.answer_source, 'gold') = current_keys.source
    and current_keys.trusted
where
    current_keys.prompt_id is null
    and not exists (
        select 1 from current_reviews where current_reviews.prompt_id = prompts.prompt_id
    )
    and (
        (prompts.answer_type not in ('open', 'code') and prompts.answer is not null)
        or (prompts.answer_type = 'code' and len(prompts.tests) > 0)
    )
