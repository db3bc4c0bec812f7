-- One row per prompt, not withdrawn nor removed, with a signature of this kind, and what decides who stands for whom.
-- The mark is of a short answer, however its number is typed; letters of options and whole texts have none.
select
    prompts.prompt_id,
    prompts.answer is null as lacks_answer,
    prompts.kind <> 'seed' as is_rewrite,
    case
        when
            prompts.answer is not null
            and prompts.key_type not in ('choice', 'code', 'open')
            then hash(
                coalesce(
                    try_cast(replace(prompts.answer, ',', '') as double)::varchar,
                    regexp_replace(
                        replace(lower(prompts.answer), '\dfrac', '\frac'),
                        '[\s$]|\\left|\\right|\\[,;:! ]|\.$', '', 'g'
                    )
                )
            )
    end as answer_mark,
    signatures.numbers,
    signatures.signature
from answered_prompts as prompts
inner join signatures on prompts.prompt_id = signatures.prompt_id
where
    signatures.sketch = $sketch
    and prompts.prompt_id not in (select withdrawn_prompts.prompt_id from withdrawn_prompts)
    and prompts.root_id not in (select removed_roots.root_id from removed_roots)
