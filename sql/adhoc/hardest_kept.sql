-- What will be taught that the student finds hardest? Its kept prompts by pass rate.
with measured as (
    select
        difficulty.prompt_id,
        difficulty.student,
        arg_max_null(difficulty.pass_rate, difficulty.created_at) as pass_rate,
        arg_max_null(difficulty.correct, difficulty.created_at) as correct,
        arg_max_null(difficulty.wrong, difficulty.created_at) as wrong
    from difficulty
    semi join latest_kept on difficulty.prompt_id = latest_kept.prompt_id
    group by difficulty.prompt_id, difficulty.student
),

hardest as materialized (
    select prompt_id, pass_rate, correct, wrong
    from measured
    order by pass_rate, prompt_id
    limit 20
),

asked as (
    select prompt_id, domain, kind, text
    from prompts
    where prompt_id in (select prompt_id from hardest)
)

select
    hardest.pass_rate,
    hardest.correct,
    hardest.wrong,
    asked.domain,
    asked.kind,
    asked.text,
    asked.prompt_id
from hardest
inner join asked on hardest.prompt_id = asked.prompt_id
order by hardest.pass_rate, asked.prompt_id;
