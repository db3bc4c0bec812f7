-- One row per seed that has rewrites: how many of them count.
select
    root_id,
    count(*)::bigint as rewrites
from prompts
where
    kind = 'rewrite'
    and prompt_id not in (select withdrawn_prompts.prompt_id from withdrawn_prompts)
group by root_id
