-- One row per prompt in a range of ids that the teacher is to answer: kept, or dropped only for
-- what the teacher has written so far.
select prompts.prompt_id, prompts.text, prompts.choices, prompts.answer_type, prompts.domain
from current_decisions
inner join prompts on current_decisions.prompt_id = prompts.prompt_id
semi join scoped_prompts($low, $high, $scope_domains, $scope_bounds, $scope_otherwise) as scoped
    on prompts.prompt_id = scoped.prompt_id
where
    current_decisions.policy = $policy
    and (current_decisions.kept or current_decisions.stage = 'teach')
    and prompts.prompt_id >= $low
    and prompts.prompt_id < $high
order by prompts.prompt_id
