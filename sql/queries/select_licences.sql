-- One row per prompt: the licences that its seed came with, none if nothing tells.
select
    prompts.prompt_id,
    prompt_origins.licences
from prompts
left join prompt_origins on prompts.root_id = prompt_origins.root_id
