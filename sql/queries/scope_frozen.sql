-- One row per prompt of a frozen domain that was decided when a release was published: what was
-- decided, by the policy of that release.
select
    prompts.prompt_id,
    decided.kept,
    decided.stage,
    decided.reason,
    decided.detail
from (
    select decisions.prompt_id, decisions.kept, decisions.stage, decisions.reason, decisions.detail
    from decisions
    inner join releases on decisions.policy = releases.policy
    where releases.release_id = $release and decisions.created_at <= releases.created_at
    qualify row_number() over (
        partition by decisions.prompt_id order by decisions.created_at desc
    ) = 1
) as decided
inner join prompts on decided.prompt_id = prompts.prompt_id
where list_contains($frozen::varchar[], coalesce(prompts.domain, 'none'))
