-- One row is a prompt in a range of ids and a student: its verdicts counted, its answers compared.
-- A class is a set of answers that mean the same: the correct ones, equal numbers, equal spellings.
with graded as (
    select
        responses.prompt_id,
        responses.role,
        responses.model,
        current_keys.key_id,
        prompts.domain,
        current_keys.answer_type,
        grades.verdict,
        responses.completion_tokens,
        case
            when grades.verdict = 'correct' then ''
            when grades.verdict = 'wrong' and current_keys.answer_type <> 'code' then
                coalesce(
                    try_cast(replace(grades.extracted, ',', '') as double)::varchar,
                    lower(trim(grades.extracted))
                )
        end as class
    from responses
    inner join current_keys on responses.prompt_id = current_keys.prompt_id
    inner join prompts on responses.prompt_id = prompts.prompt_id
    inner join grades
        on responses.response_id = grades.response_id and current_keys.key_id = grades.key_id
    where
        responses.role in ('student', 'reference')
        and responses.prompt_id >= $low
        and responses.prompt_id < $high
    qualify row_number() over (
        partition by grades.response_id
        order by grades.created_at desc, grades.version desc, grades.verifier
    ) = 1
),

classes as (
    select prompt_id, role, model, class, count(*) as votes
    from graded
    where class is not null
    group by all
),

reference as (
    select
        prompt_id,
        count(*) filter (where verdict = 'correct') as correct,
        count(*) filter (where verdict in ('correct', 'wrong')) as decided
    from graded
    where role = 'reference'
    group by prompt_id
),

-- The reference's most frequent class; of equally frequent ones the correct one, then any.
favourites as (
    select prompt_id, class
    from (
        select prompt_id, class, sum(votes) as votes
        from classes
        where role = 'reference'
        group by prompt_id, class
    )
    qualify row_number() over (partition by prompt_id order by votes desc, class) = 1
),

answered as (
    select
        classes.prompt_id,
        classes.model,
        count(*)::integer as answers,
        -- Rounded: the order of a sum of fractions may differ from run to run.
        round(log2(sum(votes)) - sum(votes * log2(votes)) / sum(votes), 6) as entropy,
        if(
            count(favourites.class) > 0,
            coalesce(sum(votes) filter (where classes.class = favourites.class), 0) / sum(votes),
            null
        ) as agreement
    from classes
    left join favourites on classes.prompt_id = favourites.prompt_id
    where classes.role = 'student'
    group by classes.prompt_id, classes.model
),

counted as (
    select
        prompt_id,
        model as student,
        key_id,
        domain,
        answer_type,
        count(*) filter (where verdict = 'correct')::integer as correct,
        count(*) filter (where verdict = 'wrong')::integer as wrong,
        count(*) filter (where verdict = 'truncated')::integer as truncated,
        count(*) filter (where verdict = 'unverifiable')::integer as unverifiable,
        avg(completion_tokens) as mean_tokens
    from graded
    where role = 'student'
    group by all
)

select
    counted.prompt_id,
    counted.student,
    counted.key_id,
    counted.domain,
    counted.answer_type,
    counted.correct,
    counted.wrong,
    counted.truncated,
    counted.unverifiable,
    counted.mean_tokens,
    answered.entropy,
    answered.answers,
    answered.agreement,
    reference.correct / nullif(reference.decided, 0) as reference_rate,
    reference.decided::integer as reference_decided
from counted
left join answered
    on counted.prompt_id = answered.prompt_id and counted.student = answered.model
left join reference on counted.prompt_id = reference.prompt_id
