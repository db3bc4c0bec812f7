-- One row per prompt in a range of ids that a role should answer.
select prompt_id, text, choices, answer_type
from sampled_prompts
semi join scoped_prompts($low, $high, $scope_domains, $scope_bounds, $scope_otherwise) as scoped
    on sampled_prompts.prompt_id = scoped.prompt_id
where
    role = $role
    and prompt_id >= $low
    and prompt_id < $high
    and ($answered_too or not has_answer or right(prompt_id, 8) < $gold_below)
    and ($role <> 'student' or keyed or ($keyless_too and not has_answer))
order by prompt_id
