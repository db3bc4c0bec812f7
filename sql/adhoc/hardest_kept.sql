-- What will be taught that the student finds hardest? Its kept prompts by pass rate.
with kept as (
    select current_decisions.prompt_id
    from current_decisions
    inner join latest_policy on current_decisions.policy = latest_policy.policy
    where current_decisions.kept
),

measured as (
    select
        difficulty.prompt_id,
        difficulty.student,
        arg_max(
            struct_pack(rate := difficulty.pass_rate, correct := difficulty.correct, wrong := difficulty.wrong),
            difficulty.created_at
        ) as newest
    from difficulty
    semi join kept on difficulty.prompt_id = kept.prompt_id
    group by difficulty.prompt_id, difficulty.student
),

hardest as materialized (
    select prompt_id, newest.rate as pass_rate, newest.correct, newest.wrong
    from measured
    order by pass_rate, prompt_id
    limit 20
),

asked as (
    select prompts.prompt_id, prompts.domain, prompts.kind, prompts.text
    from prompts
    semi join hardest on prompts.prompt_id = hardest.prompt_id
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
