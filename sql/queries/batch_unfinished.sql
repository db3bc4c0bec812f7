-- One row per batch of a role that is not over, the oldest first.
select
    batch_id, role, server, requests, state, provider_batch_id, input_file_id,
    settings::varchar as settings, simulated, created_at,
    coalesce(changed_at, created_at) as changed_at
from current_batches
where not is_over and role = $role
order by created_at, batch_id
