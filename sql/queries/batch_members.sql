-- One row per request of a batch; `answered` and `failed` say that its outcome is recorded already.
select
    response_id, reuse_key, prompt_id, role, stage, template, sample_index, schema::varchar as schema,
    line, submission, attempts, malformed, prompt_tokens, completion_tokens, cost_usd,
    budget_usd, budget_tokens, uncounted, reserved_usd, reserved_tokens,
    response_id in (select responses.response_id from responses) as answered,
    response_id in (
        select failures.response_id
        from failures
        where
            failures.created_at >= (
                select min(batches.created_at) from batches where batches.batch_id = $batch_id
            )
    ) as failed
from batch_requests
where batch_id = $batch_id
order by line
