-- One row per domain, kind and decision of one policy: how many prompts it was taken on.
select
    prompts.domain,
    prompts.kind,
    current_decisions.kept,
    current_decisions.stage,
    current_decisions.reason,
    count(*) as prompts
from current_decisions
inner join prompts on current_decisions.prompt_id = prompts.prompt_id
where current_decisions.policy = $policy
group by all
order by all
