-- One row is a prompt whose last review names an answer that is not its current key yet.
select
    current_reviews.prompt_id,
    current_reviews.answer,
    prompts.answer_type,
    'gold' as source
from current_reviews
inner join prompts on current_reviews.prompt_id = prompts.prompt_id
left join current_keys
    on
        current_reviews.prompt_id = current_keys.prompt_id
        and current_keys.trusted
        and current_keys.source = 'gold'
        and current_reviews.answer = current_keys.answer
where current_reviews.refusal is null and current_keys.prompt_id is null
