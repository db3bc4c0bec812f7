-- One row per domain, pass rate of the student and verdict of the policy, with the prompts: how many
-- of them are likely to be in the band, and the variance of that.
select
    prompts.domain,
    current_difficulty.pass_rate,
    coalesce(current_decisions.kept, false) as kept,
    count(*)::bigint as prompts,
    coalesce(sum(current_difficulty.in_band), 0)::double as likely,
    coalesce(sum(current_difficulty.in_band * (1 - current_difficulty.in_band)), 0)::double as doubt
from current_difficulty
inner join prompts on current_difficulty.prompt_id = prompts.prompt_id
inner join current_keys
    on
        current_difficulty.prompt_id = current_keys.prompt_id
        and current_difficulty.key_id = current_keys.key_id
left join current_decisions
    on
        current_difficulty.prompt_id = current_decisions.prompt_id
        and current_decisions.policy = $policy
where current_difficulty.student = $student and current_difficulty.pass_rate is not null
group by all
order by all
