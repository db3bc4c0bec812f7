-- One row is a response of the roles that has a key but no grade by its verifier's present version.
-- A grade that came from a limit of time is none, until there are $attempts of them; one a run.
with verifiers as (
    select
        unnest($answer_types::varchar[]) as answer_type,
        unnest($names::varchar[]) as name,
        unnest($versions::integer[]) as version
),

late as (
    select
        response_id,
        key_id,
        verifier,
        version,
        max(coalesce(attempt, 1)) as attempts,
        bool_or(run_id = $run_id) as tried_now
    from grades
    where
        reason in (select unnest($late_reasons::varchar[]))
        and (verifier, version) in (select (name, version) from verifiers)
    group by all
)

select
    responses.response_id,
    current_keys.key_id,
    current_keys.answer_type,
    current_keys.answer as key_answer,
    responses.content,
    responses.finish_reason,
    prompts.tests,
    prompts.choices,
    responses.prompt_id,
    responses.role,
    responses.model,
    responses.completion_tokens,
    coalesce(late.attempts, 0) + 1 as attempt
from responses
inner join current_keys on responses.prompt_id = current_keys.prompt_id
inner join prompts on responses.prompt_id = prompts.prompt_id
inner join verifiers on current_keys.answer_type = verifiers.answer_type
left join grades
    on responses.response_id = grades.response_id
    and current_keys.key_id = grades.key_id
    and verifiers.name = grades.verifier
    and verifiers.version = grades.version
    and coalesce(grades.reason, '') not in (select unnest($late_reasons::varchar[]))
left join late
    on responses.response_id = late.response_id
    and current_keys.key_id = late.key_id
    and verifiers.name = late.verifier
    and verifiers.version = late.version
where
    responses.role in (select unnest($roles::varchar[]))
    and grades.response_id is null
    and (late.response_id is null or (late.attempts < $attempts and not coalesce(late.tried_now, false)))
