-- One row per two roots that a duplicate ties together.
select distinct
    prompts.root_id,
    others.root_id as other_id,
    prompts.prompt_id = prompts.root_id as duplicate
from current_duplicates
inner join prompts on current_duplicates.prompt_id = prompts.prompt_id
inner join prompts as others on current_duplicates.representative_id = others.prompt_id
where prompts.root_id <> others.root_id
order by all
