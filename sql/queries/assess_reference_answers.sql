-- One row is a response of the reference model on a prompt that came without an answer.
select
    responses.prompt_id,
    prompts.answer_type,
    prompts.choices,
    responses.content,
    responses.finish_reason
from responses
inner join prompts on responses.prompt_id = prompts.prompt_id
where
    responses.role = 'reference'
    and prompts.answer is null
    and prompts.answer_type not in ('open', 'code')
