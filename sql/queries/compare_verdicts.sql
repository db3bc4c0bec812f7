-- One row is a prompt, a key, and answers to it on which two versions of verifiers agree or not.
with first_words as (
    select response_id, key_id, verdict, reason, extracted
    from grades
    where verifier = $first_name and version = $first_version
    qualify row_number() over (partition by response_id, key_id order by created_at desc) = 1
),

second_words as (
    select response_id, key_id, verdict, reason, extracted
    from grades
    where verifier = $second_name and version = $second_version
    qualify row_number() over (partition by response_id, key_id order by created_at desc) = 1
)

select
    responses.prompt_id,
    any_value(keys.answer_type) as answer_type,
    any_value(keys.answer) as key_answer,
    first_words.extracted as first_extracted,
    second_words.extracted as second_extracted,
    first_words.verdict as first_verdict,
    second_words.verdict as second_verdict,
    first_words.reason as first_reason,
    second_words.reason as second_reason,
    count(distinct responses.response_id) as responses,
    min(responses.response_id) as example
from first_words
inner join second_words
    on first_words.response_id = second_words.response_id
    and first_words.key_id = second_words.key_id
inner join responses on first_words.response_id = responses.response_id
left join keys on first_words.key_id = keys.key_id
where first_words.verdict <> second_words.verdict
group by
    responses.prompt_id, first_words.key_id, first_words.extracted, second_words.extracted,
    first_words.verdict, second_words.verdict, first_words.reason, second_words.reason
order by responses desc, responses.prompt_id, example
