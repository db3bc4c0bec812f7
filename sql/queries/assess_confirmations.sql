-- One row is a sample of the confirmer, a second model, on a prompt that has no answer of its own.
select
    responses.prompt_id,
    prompts.answer_type,
    prompts.choices,
    responses.content,
    responses.finish_reason
from responses
inner join answered_prompts as prompts on responses.prompt_id = prompts.prompt_id
where
    responses.role = 'confirmer'
    and responses.model = $confirmer
    and prompts.answer is null
    and responses.response_id not in (select response_id from superseded_responses)
