-- One row per prompt: the texts that duplicates and contamination compare.
select
    prompt_id,
    kind,
    answer is not null as has_answer,
    text,
    choices
from prompts
