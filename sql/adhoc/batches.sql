-- Which batches were submitted, and what became of them? One row per batch, the newest first.
select
    current_batches.created_at,
    current_batches.role,
    current_batches.model,
    current_batches.requests,
    batches.input_bytes,
    current_batches.state,
    current_batches.ended,
    current_batches.completed,
    current_batches.failed,
    current_batches.provider_batch_id,
    current_batches.detail
from current_batches
inner join batches on current_batches.batch_id = batches.batch_id
order by current_batches.created_at desc, current_batches.batch_id;
