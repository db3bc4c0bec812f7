-- Which batches were submitted, and what became of them? One row per batch, the newest first.
select
    created_at,
    role,
    model,
    requests,
    state,
    ended,
    completed,
    failed,
    provider_batch_id,
    detail
from current_batches
order by created_at desc, batch_id;
