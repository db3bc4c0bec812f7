-- One row per prompt that has no signature of this kind yet.
select prompts.prompt_id, prompts.text, prompts.choices
from prompts
where
    not exists (
        select 1
        from signatures
        where signatures.prompt_id = prompts.prompt_id and signatures.sketch = $sketch
    )
