-- One row per two prompts, none withdrawn nor removed, that are near enough, with what decides who stands for whom.
select
    neighbours.prompt_id,
    neighbours.other_id,
    neighbours.similarity,
    prompts.answer is null as lacks_answer,
    prompts.kind <> 'seed' as is_rewrite,
    others.answer is null as other_lacks_answer,
    others.kind <> 'seed' as other_is_rewrite
from neighbours
inner join answered_prompts as prompts on neighbours.prompt_id = prompts.prompt_id
inner join answered_prompts as others on neighbours.other_id = others.prompt_id
where
    neighbours.embedder = $embedder
    and neighbours.similarity >= $at_least
    and (neighbours.same_numbers or not $distinct)
    and neighbours.prompt_id not in (select withdrawn_prompts.prompt_id from withdrawn_prompts)
    and neighbours.other_id not in (select withdrawn_prompts.prompt_id from withdrawn_prompts)
    and prompts.root_id not in (select removed_roots.root_id from removed_roots)
    and others.root_id not in (select removed_roots.root_id from removed_roots)
