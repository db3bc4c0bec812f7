-- One row per request of a role that needs no call: its response is there, it failed for good, or
-- it is in a batch whose results are still awaited.
select responses.reuse_key as key
from responses
where
    responses.role = $role
    and responses.prompt_id in (select unnest($prompt_ids))
    and (
        responses.finish_reason is distinct from 'length'
        or responses.max_tokens is null
        or responses.max_tokens >= $max_tokens
    )
union all
select failures.response_id as key
from failures
where
    failures.role = $role
    and failures.prompt_id in (select unnest($prompt_ids))
    and list_contains($permanent, failures.failure)
union all
select held_requests.reuse_key as key
from held_requests
where
    held_requests.role = $role
    and held_requests.prompt_id in (select unnest($prompt_ids))
