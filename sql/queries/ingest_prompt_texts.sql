-- One row per prompt, with the text by which a response made elsewhere finds it.
select prompts.prompt_id, prompts.text
from prompts
