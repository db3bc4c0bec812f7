-- One row per prompt whose key waits for a review.
select prompt_id
from current_keys
where not trusted
order by prompt_id
