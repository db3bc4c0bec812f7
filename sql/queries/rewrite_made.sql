-- One row per prompt that a rewrite must not repeat: rewrites of a range of roots, and given ids.
select
    prompt_id,
    root_id,
    made_by
from prompts
where
    kind = 'rewrite'
    and prompt_id not in (select withdrawn_prompts.prompt_id from withdrawn_prompts)
    and ((root_id >= $low and root_id < $high) or prompt_id in (select unnest($prompt_ids)))
