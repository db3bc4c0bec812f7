-- One row per prompt that a policy keeps wherever its rate is: an anchor, or one of a frozen domain,
-- whose limits are those of the release that it was frozen with.
select current_decisions.prompt_id
from current_decisions
inner join prompts on current_decisions.prompt_id = prompts.prompt_id
where
    current_decisions.policy = $policy
    and current_decisions.kept
    and (
        current_decisions.reason in ('certified_hard', 'easy_anchor')
        or list_contains($frozen::varchar[], coalesce(prompts.domain, 'none'))
    )
