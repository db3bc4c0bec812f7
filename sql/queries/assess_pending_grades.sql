-- One row is a response of the roles that has a key but no grade by its verifier's present version.
with verifiers as (
    select
        unnest($answer_types::varchar[]) as answer_type,
        unnest($names::varchar[]) as name,
        unnest($versions::integer[]) as version
)

select
    responses.response_id,
    current_keys.key_id,
    current_keys.answer_type,
    current_keys.answer as key_answer,
    responses.content,
    responses.finish_reason,
    prompts.tests,
    prompts.choices
from responses
inner join current_keys on responses.prompt_id = current_keys.prompt_id
inner join prompts on responses.prompt_id = prompts.prompt_id
inner join verifiers on current_keys.answer_type = verifiers.answer_type
left join grades
    on responses.response_id = grades.response_id
    and current_keys.key_id = grades.key_id
    and verifiers.name = grades.verifier
    and verifiers.version = grades.version
where
    responses.role in (select unnest($roles::varchar[]))
    and grades.response_id is null
