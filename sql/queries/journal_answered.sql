-- One row per request of these that has a response in the store, and the run that it came in.
select response_id, run_id
from responses
where response_id in (select unnest($response_ids))
