-- How many prompts in the scope of a run could be asked of a student, were there anything here that
-- judges answers of their types.
select count(*)::bigint as prompts
from sampled_prompts
where
    is_in_scope(root_id, domain, $scope_domains, $scope_bounds, $scope_otherwise)
    and role = 'student'
    and has_answer
    and list_contains($unjudged::varchar[], answer_type)
