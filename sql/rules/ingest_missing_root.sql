-- critical: Every prompt's root is a seed of this store.
select prompts.prompt_id, 'root ' || prompts.root_id || ' is not there' as detail
from prompts
left join prompts as roots on prompts.root_id = roots.prompt_id and roots.kind = 'seed'
where roots.prompt_id is null
order by prompts.prompt_id
