-- One row per right recorded answer of the student that is adopted next: of each given prompt the first
-- $count that were not, and no more than $samples of a prompt in all.
with adopted as (
    select prompt_id, reuse_key
    from responses
    where
        role = 'teacher'
        and template = 'adopted'
        and prompt_id >= $low
        and prompt_id < $high
),

counted as (
    select prompt_id, count(*) as answers
    from adopted
    group by prompt_id
)

select
    responses.response_id,
    responses.prompt_id,
    responses.model,
    responses.resolved_model,
    responses.parameters,
    responses.form,
    responses.sample_index,
    responses.content,
    responses.reasoning,
    responses.finish_reason,
    responses.max_tokens,
    responses.prompt_tokens,
    responses.completion_tokens,
    responses.reasoning_tokens,
    responses.simulated
from responses
inner join (
    select response_id
    from current_grades
    where verdict = 'correct' and prompt_id >= $low and prompt_id < $high
) as graded
    on responses.response_id = graded.response_id
left join counted on responses.prompt_id = counted.prompt_id
where
    responses.role = 'student'
    and responses.model = $student
    and responses.finish_reason is distinct from 'length'
    and responses.prompt_id in (select unnest($prompt_ids::varchar[]))
    and responses.prompt_id >= $low
    and responses.prompt_id < $high
    and responses.response_id not in (
        select response_id from superseded_responses where prompt_id >= $low and prompt_id < $high
    )
    and responses.response_id not in (select reuse_key from adopted)
qualify
    row_number() over (
        partition by responses.prompt_id order by responses.sample_index, responses.response_id
    ) <= least($count, $samples - coalesce(counted.answers, 0))
order by responses.prompt_id, responses.sample_index, responses.response_id
