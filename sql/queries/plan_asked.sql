-- One row per prompt that a role was ever asked about.
select prompt_id
from responses
where role = $role
union
select prompt_id
from failures
where role = $role
