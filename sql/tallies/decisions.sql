-- One row is an outcome of a policy: how many of the prompts in `touched` have it now, less those that
-- had it before.
insert into decision_tallies by name
with moved as (
    select policy, prompt_id, created_at, 1 as sign, unnest(said) from touched
    union all
    select policy, prompt_id, created_at, -1 as sign, unnest(said_before) from touched
    where said_before is not null
)

select
    moved.policy,
    prompts.domain,
    prompts.kind,
    moved.kept,
    moved.stage,
    moved.reason,
    sum(moved.sign) as prompts,
    max(moved.created_at) as created_at
from moved
inner join prompts on moved.prompt_id = prompts.prompt_id
group by all
