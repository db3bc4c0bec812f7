-- One row per source and licence that the policy sets aside for its licence, with the prompts.
select
    nullif(prompt_origins.source, '') as source,
    nullif(prompt_origins.licence, '') as licence,
    count(*)::bigint as prompts
from current_decisions
inner join prompts on current_decisions.prompt_id = prompts.prompt_id
left join prompt_origins on prompts.root_id = prompt_origins.root_id
where
    current_decisions.policy = $policy
    and not current_decisions.kept
    and current_decisions.reason = 'licence_refused'
group by all
order by all
