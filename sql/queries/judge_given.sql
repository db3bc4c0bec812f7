-- One row is a response whose last word is a judge's, with what the verifier had said of it. Frozen
-- domains are left out: what they have stays what it is.
with judged as (
    select distinct response_id, key_id
    from grades
    where verifier = 'judge'
),

words as (
    select
        placed_grades.*,
        row_number() over (
            partition by placed_grades.response_id, placed_grades.key_id
            order by created_at desc, version desc, verifier
        ) as age,
        max(coalesce(attempt, 1)) over (
            partition by placed_grades.response_id, placed_grades.key_id, verifier, version
        ) as attempts
    from placed_grades
    semi join judged
        on placed_grades.response_id = judged.response_id and placed_grades.key_id = judged.key_id
),

own as (
    select response_id, key_id, verifier, version, verdict, extracted, reason, attempts
    from words
    where verifier <> 'judge'
    qualify row_number() over (partition by response_id, key_id order by age) = 1
)

select
    said.response_id,
    said.prompt_id,
    said.role,
    said.model,
    said.key_id,
    responses.completion_tokens,
    prompts.domain,
    current_keys.answer_type,
    current_keys.answer as key_answer,
    said.extracted,
    said.verdict as said,
    own.verifier,
    own.version,
    own.verdict,
    own.extracted as own_extracted,
    own.reason,
    own.attempts + 1 as attempt
from words as said
inner join own on said.response_id = own.response_id and said.key_id = own.key_id
inner join current_keys
    on said.prompt_id = current_keys.prompt_id and said.key_id = current_keys.key_id
inner join prompts on said.prompt_id = prompts.prompt_id
inner join responses
    on said.response_id = responses.response_id and said.prompt_id = responses.prompt_id
where
    said.age = 1
    and said.verifier = 'judge'
    and said.role in (select unnest($roles::varchar[]))
    and not list_contains($frozen::varchar[], coalesce(prompts.domain, 'none'))
order by said.prompt_id, said.response_id
