-- One row per prompt that a run asks about.
select prompt_id
from scoped_prompts('', 'g', $scope_domains, $scope_bounds, $scope_otherwise)
