-- One row per prompt: its text, its student's rate, and what was paid for it to the models that the
-- recipe names ($roles, $models), without the teacher.
with named as (
    select
        unnest($roles::varchar[]) as role,
        unnest($models::varchar[]) as model
),

paid as (
    select
        prompt_id,
        sum(cost_usd) as cost_usd,
        count(*) filter (where cost_usd is null) as unpriced
    from spend
    where role <> 'teacher' and (role, model) in (select (role, model) from named)
    group by prompt_id
)

select
    prompts.prompt_id,
    prompts.domain,
    prompts.text,
    current_difficulty.pass_rate,
    if(coalesce(paid.unpriced, 0) > 0, null, coalesce(paid.cost_usd, 0)) as cost_usd
from prompts
left join paid on prompts.prompt_id = paid.prompt_id
left join current_difficulty
    on prompts.prompt_id = current_difficulty.prompt_id and current_difficulty.student = $student
