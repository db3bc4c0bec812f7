-- What will be taught that the student finds hardest? Its kept prompts by pass rate.
select
    current_difficulty.pass_rate,
    current_difficulty.correct,
    current_difficulty.wrong,
    prompts.domain,
    prompts.kind,
    prompts.text,
    prompts.prompt_id
from current_decisions
inner join latest_policy on current_decisions.policy = latest_policy.policy
inner join prompts on current_decisions.prompt_id = prompts.prompt_id
inner join current_difficulty on current_decisions.prompt_id = current_difficulty.prompt_id
where current_decisions.kept
order by current_difficulty.pass_rate, prompts.prompt_id
limit 20;
