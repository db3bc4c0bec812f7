-- One row, if a model at a server has ever answered anything.
select true as has_answered
from responses
where model = $model and server = $server
limit 1
