-- One row per prompt that this screen has yet to compare with the benchmarks.
select
    prompts.prompt_id as text_id,
    prompts.prompt_id,
    null::varchar as response_id,
    prompts.text,
    prompts.choices
from prompts
anti join compared_texts($screen, $benchmarks) as compared on prompts.prompt_id = compared.text_id
