-- One row per state of a policy or of a domain's difficulty that is not tallied as it is counted.
with decided as (
    select
        current_decisions.policy,
        prompts.domain,
        prompts.kind,
        current_decisions.kept,
        current_decisions.stage,
        current_decisions.reason,
        count(*) as prompts
    from current_decisions
    inner join prompts on current_decisions.prompt_id = prompts.prompt_id
    group by all
),

measured as (
    select
        prompts.domain,
        current_difficulty.student,
        current_difficulty.pass_rate,
        count(*) as prompts
    from current_difficulty
    inner join prompts on current_difficulty.prompt_id = prompts.prompt_id
    group by all
),

tallied as (
    select domain, student, pass_rate, sum(prompts)::bigint as prompts
    from pass_rates
    group by domain, student, pass_rate
)

select 'decisions of ' || policy as what, domain
from (
    (from decided except from funnels)
    union
    (from funnels except from decided)
)
union
select 'difficulty for ' || student as what, domain
from (
    (from measured except from tallied)
    union
    (from tallied except from measured)
)
order by what, domain
