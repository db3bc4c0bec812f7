-- One row per response of a role on one of the given prompts that was made elsewhere.
select prompt_id, role, model, response_id, sample_index
from responses
where
    server = 'import'
    and role = $role
    and prompt_id in (select unnest($prompt_ids::varchar[]))
order by prompt_id, model, sample_index, response_id
