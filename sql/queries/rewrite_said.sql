-- One row per rewriter's reply on the given prompts, finished ones first.
select
    prompt_id,
    reuse_key,
    content,
    finish_reason
from responses
where role = 'rewriter' and prompt_id in (select unnest($prompt_ids))
order by prompt_id, finish_reason is not distinct from 'length', response_id
