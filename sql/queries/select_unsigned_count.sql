-- One row: how many prompts have no signature of this kind yet.
select count(*)::bigint as prompts
from prompts
where
    not exists (
        select 1
        from signatures
        where signatures.prompt_id = prompts.prompt_id and signatures.sketch = $sketch
    )
