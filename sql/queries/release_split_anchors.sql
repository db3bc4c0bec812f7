-- One row per given root that has a pair in a release: the root that its split went by.
select distinct
    prompts.root_id,
    coalesce(current_kin.anchor_id, prompts.root_id) as anchor_id
from release_pairs
inner join prompts on release_pairs.prompt_id = prompts.prompt_id
left join current_kin on prompts.root_id = current_kin.root_id
where list_contains($roots::varchar[], prompts.root_id)
order by all
