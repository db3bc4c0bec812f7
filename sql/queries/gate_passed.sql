-- One row if a release has passed these rules before.
select gate_id
from gates
where release_id = $release_id and digest = $digest and passed
limit 1
