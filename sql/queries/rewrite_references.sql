-- One row per reference answer to one of the given candidates, finished ones first.
select
    prompt_id,
    reuse_key,
    content,
    finish_reason
from responses
where role = 'reference' and prompt_id in (select unnest($prompt_ids))
order by prompt_id, finish_reason is not distinct from 'length', response_id
