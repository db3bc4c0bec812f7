-- One row per request about a prompt that has no response.
select response_id, role, model, sample_index, failure, attempts, message, cost_usd, created_at
from failures
where prompt_id = $prompt_id
order by role, model, sample_index, created_at;
