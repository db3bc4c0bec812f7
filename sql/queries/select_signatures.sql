-- One row per prompt with a signature of this kind, and what decides who stands for whom.
select
    prompts.prompt_id,
    prompts.answer is null as lacks_answer,
    prompts.kind <> 'seed' as is_rewrite,
    signatures.numbers,
    signatures.signature
from prompts
inner join signatures on prompts.prompt_id = signatures.prompt_id
where signatures.sketch = $sketch
