-- One row is a finished reply of the judge on one of the given prompts.
select reuse_key, content, response_id, simulated
from responses
where
    role = 'judge'
    and prompt_id in (select unnest($prompt_ids::varchar[]))
    and finish_reason is distinct from 'length'
order by created_at, response_id
