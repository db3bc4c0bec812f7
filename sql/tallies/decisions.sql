-- One row is an outcome of a policy: how many of the prompts in `touched` have it now, times $sign.
insert into decision_tallies by name
with outcomes as (
    select
        decisions.policy, decisions.prompt_id, decisions.kept, decisions.stage, decisions.reason,
        decisions.created_at
    from decisions
    semi join touched
        on decisions.policy = touched.policy and decisions.prompt_id = touched.prompt_id
    qualify row_number() over (
        partition by decisions.policy, decisions.prompt_id order by decisions.created_at desc
    ) = 1
)

select
    outcomes.policy,
    prompts.domain,
    prompts.kind,
    outcomes.kept,
    outcomes.stage,
    outcomes.reason,
    $sign * count(*) as prompts,
    max(outcomes.created_at) as created_at
from outcomes
inner join prompts on outcomes.prompt_id = prompts.prompt_id
group by all
