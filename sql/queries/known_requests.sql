-- One row per request of a role that was answered, failed for good, is in a batch whose results are
-- still awaited, or failed with all its attempts (`has_failed`) and is to be asked again. An answer
-- that was only ever cut off has the highest ceiling that did it.
select
    responses.reuse_key as key,
    if(
        bool_or(responses.finish_reason is distinct from 'length' or responses.max_tokens is null),
        null,
        max(responses.max_tokens)
    ) as cut_off_at,
    false as has_failed
from responses
where
    responses.role = $role
    and responses.prompt_id in (select unnest($prompt_ids))
group by responses.reuse_key
union all
select
    failures.response_id as key,
    null as cut_off_at,
    not list_contains($permanent, failures.failure) as has_failed
from failures
where
    failures.role = $role
    and failures.prompt_id in (select unnest($prompt_ids))
    and (list_contains($permanent, failures.failure) or failures.attempts >= $most_attempts)
union all
select
    held_requests.reuse_key as key,
    null as cut_off_at,
    false as has_failed
from held_requests
where
    held_requests.role = $role
    and held_requests.prompt_id in (select unnest($prompt_ids))
