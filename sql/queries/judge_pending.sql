-- One row is a response whose answer the verifiers did not accept, with no word of the judge since.
with told as (
    select response_id, key_id, max(coalesce(attempt, 1)) as attempts
    from placed_grades
    where verifier = 'judge' and version = $version and prompt_id >= $low and prompt_id < $high
    group by all
)

select
    responses.response_id,
    responses.prompt_id,
    responses.role,
    responses.model,
    responses.completion_tokens,
    current_keys.key_id,
    current_keys.answer as key_answer,
    current_grades.extracted,
    coalesce(told.attempts, 0) + 1 as attempt,
    prompts.text,
    prompts.choices
from responses
inner join current_keys on responses.prompt_id = current_keys.prompt_id
inner join prompts on responses.prompt_id = prompts.prompt_id
inner join (
    select response_id, key_id, verifier, version, verdict, extracted
    from current_grades
    where prompt_id >= $low and prompt_id < $high
) as current_grades
    on responses.response_id = current_grades.response_id
    and current_keys.key_id = current_grades.key_id
left join removed_roots on prompts.root_id = removed_roots.root_id
left join told
    on responses.response_id = told.response_id and current_keys.key_id = told.key_id
where
    responses.role in (select unnest($roles::varchar[]))
    and responses.prompt_id >= $low
    and responses.prompt_id < $high
    and (
        current_keys.answer_type in (select unnest($answer_types::varchar[]))
        or prompts.domain || ' ' || current_keys.answer_type in (select unnest($in_domains::varchar[]))
    )
    and removed_roots.root_id is null
    and current_keys.answer is not null
    and current_grades.extracted is not null
    and (
        (current_grades.verifier <> 'judge' and current_grades.verdict in ('wrong', 'unverifiable'))
        or (current_grades.verifier = 'judge' and current_grades.version <> $version)
    )
order by responses.prompt_id, responses.response_id
