-- One row per reply that models in a role gave on one of the given prompts, finished ones first.
select
    prompt_id,
    reuse_key,
    response_id,
    content,
    finish_reason
from responses
where role = $role and prompt_id in (select unnest($prompt_ids::varchar[]))
order by prompt_id, finish_reason is not distinct from 'length', response_id
