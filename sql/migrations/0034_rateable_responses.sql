-- One row per whole response of a teacher that judges may be asked about: it gives no guidelines away.
create view rateable_responses as
select
    responses.prompt_id,
    responses.response_id,
    responses.model,
    responses.server,
    responses.content,
    prompts.domain,
    prompts.text,
    prompts.choices,
    prompts.answer_type,
    prompts.answer
from responses
inner join prompts on responses.prompt_id = prompts.prompt_id
where
    responses.role = 'teacher'
    and responses.finish_reason is distinct from 'length'
    and regexp_matches(coalesce(responses.content, ''), '\S')
    and not exists (
        select 1
        from current_objections
        where
            current_objections.prompt_id = responses.prompt_id
            and current_objections.response_id = responses.response_id
            and current_objections.source = 'guidelines'
            and current_objections.reason is not null
    );
