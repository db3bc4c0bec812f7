-- A seed that came without an answer may get one, and what asks for a prompt's answer asks for the one
-- that it has by the last reading of its file.

-- One row per prompt: with its answer by the last reading, and what that is (`key_type`); it is asked
-- about as `answer_type` still.
create view answered_prompts as
select
    prompts.prompt_id,
    prompts.root_id,
    prompts.kind,
    prompts.domain,
    prompts.text,
    prompts.choices,
    prompts.tests,
    coalesce(mended.answer, prompts.answer) as answer,
    coalesce(mended.answer_type, prompts.answer_type) as key_type,
    prompts.answer_type,
    prompts.answer_source
from prompts
left join current_mended_answers as mended on prompts.prompt_id = mended.prompt_id;

-- As before, but a judge is shown that answer.
create or replace view rateable_responses as
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
inner join answered_prompts as prompts on responses.prompt_id = prompts.prompt_id
left join (
    select prompt_id, response_id
    from current_objections
    where source = 'guidelines' and reason is not null
) as objected
    on responses.prompt_id = objected.prompt_id and responses.response_id = objected.response_id
left join superseded_responses as superseded
    on responses.prompt_id = superseded.prompt_id and responses.response_id = superseded.response_id
left join removed_roots on prompts.root_id = removed_roots.root_id
where
    responses.role = 'teacher'
    and responses.finish_reason is distinct from 'length'
    and regexp_matches(coalesce(responses.content, ''), '\S')
    and objected.response_id is null
    and superseded.response_id is null
    and removed_roots.root_id is null;
