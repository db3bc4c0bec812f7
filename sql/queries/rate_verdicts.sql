-- One row per teacher response whose key is a rubric, with what is objected to by that rubric.
select
    responses.response_id,
    responses.prompt_id,
    responses.role,
    responses.model,
    responses.completion_tokens,
    current_keys.key_id,
    current_objections.reason,
    if(current_objections.reason is null, 'correct', 'wrong') as verdict
from responses
inner join current_keys on responses.prompt_id = current_keys.prompt_id
inner join current_objections
    on
        responses.prompt_id = current_objections.prompt_id
        and responses.response_id = current_objections.response_id
        and current_objections.source = $source
        and current_objections.version = $version
where
    responses.role = 'teacher'
    and current_keys.source = 'rubric'
    and current_keys.answer = $version
    and current_objections.reason is distinct from 'not_rated'
order by responses.response_id
