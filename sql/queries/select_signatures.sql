-- One row per prompt, not withdrawn, with a signature of this kind, and what decides who stands for whom.
select
    prompts.prompt_id,
    prompts.answer is null as lacks_answer,
    prompts.kind <> 'seed' as is_rewrite,
    signatures.numbers,
    signatures.signature
from prompts
inner join signatures on prompts.prompt_id = signatures.prompt_id
where
    signatures.sketch = $sketch
    and prompts.prompt_id not in (select withdrawn_prompts.prompt_id from withdrawn_prompts)
