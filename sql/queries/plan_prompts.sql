-- One row per prompt that is not removed: what a plan groups it by.
select
    prompts.prompt_id,
    prompts.domain,
    prompts.kind,
    prompts.answer_type,
    prompts.answer is not null
    or (prompts.answer_type = 'code' and coalesce(len(prompts.tests), 0) > 0) as has_answer,
    coalesce(current_keys.trusted, false) as has_key
from answered_prompts as prompts
left join current_keys on prompts.prompt_id = current_keys.prompt_id
left join removed_roots on prompts.root_id = removed_roots.root_id
where removed_roots.root_id is null
