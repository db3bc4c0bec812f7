-- critical: Every seed came from a row of a file.
select prompts.prompt_id, 'no file and row' as detail
from prompts
left join prompt_sources on prompts.prompt_id = prompt_sources.prompt_id
where prompts.kind = 'seed' and prompt_sources.prompt_id is null
order by prompts.prompt_id
