-- One row per prompt that was not withdrawn nor removed: the texts that exact duplicates compare.
select
    prompt_id,
    kind,
    answer is not null as has_answer,
    text,
    choices
from answered_prompts
where
    prompt_id not in (select withdrawn_prompts.prompt_id from withdrawn_prompts)
    and root_id not in (select removed_roots.root_id from removed_roots)
