-- One row per prompt from $prompt_id up to its seed, the prompt itself first.
with recursive line as (
    select prompt_id, parent_id, 0 as step
    from prompts
    where prompt_id = $prompt_id
    union all
    select parents.prompt_id, parents.parent_id, line.step + 1 as step
    from line
    inner join prompts as parents on line.parent_id = parents.prompt_id
    where line.step < 20
)

select
    prompts.prompt_id, prompts.kind, prompts.domain, prompts.text, prompts.choices,
    coalesce(mended.answer, prompts.answer) as answer,
    coalesce(mended.answer_type, prompts.answer_type) as answer_type, prompts.answer_source, prompts.program, prompts.level, prompts.strategy,
    prompts.template, prompts.made_by, prompts.simulated, prompts.created_at
from line
inner join prompts on line.prompt_id = prompts.prompt_id
left join current_mended_answers as mended on prompts.prompt_id = mended.prompt_id
order by line.step;
