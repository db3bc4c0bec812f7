-- One row is a prompt in a range of ids and a student: its verdicts counted, its answers compared.
-- A class is a set of answers that mean the same: the correct ones, equal numbers, equal spellings.
with keyed as materialized (
    select prompt_id, key_id, answer_type
    from current_keys
    where prompt_id >= $low and prompt_id < $high
),

given as materialized (
    select
        responses.prompt_id,
        responses.role,
        responses.model,
        responses.completion_tokens,
        keyed.answer_type,
        grades.verdict,
        grades.extracted,
        grades.created_at,
        grades.version,
        grades.verifier,
        grades.response_id,
        hash(grades.response_id) as mark
    from responses
    inner join keyed on responses.prompt_id = keyed.prompt_id
    inner join grades
        on responses.response_id = grades.response_id and keyed.key_id = grades.key_id
    where
        responses.role in ('student', 'reference')
        and responses.prompt_id >= $low
        and responses.prompt_id < $high
),

-- Few responses are graded twice: only those are put in order.
regraded as materialized (select mark from given group by mark having count(*) > 1),

graded as (
    select prompt_id, role, model, completion_tokens, answer_type, verdict, extracted
    from given
    where mark not in (select mark from regraded)
    union all
    (
        select prompt_id, role, model, completion_tokens, answer_type, verdict, extracted
        from given
        where mark in (select mark from regraded)
        qualify row_number() over (
            partition by response_id order by created_at desc, version desc, verifier
        ) = 1
    )
),

tallied as materialized (
    select
        prompt_id,
        role,
        model,
        verdict,
        case
            when verdict = 'correct' then ''
            when verdict = 'wrong' and answer_type <> 'code' then
                coalesce(
                    try_cast(replace(extracted, ',', '') as double)::varchar,
                    lower(trim(extracted))
                )
        end as class,
        count(*) as votes,
        sum(completion_tokens) as tokens,
        count(completion_tokens) as measured
    from graded
    group by prompt_id, role, model, verdict, class
),

classes as (
    select prompt_id, role, model, class, votes
    from tallied
    where class is not null
),

reference as (
    select
        prompt_id,
        sum(votes) filter (where verdict = 'correct') as correct,
        sum(votes) filter (where verdict in ('correct', 'wrong')) as decided
    from tallied
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
        coalesce(sum(votes) filter (where verdict = 'correct'), 0)::integer as correct,
        coalesce(sum(votes) filter (where verdict = 'wrong'), 0)::integer as wrong,
        coalesce(sum(votes) filter (where verdict = 'truncated'), 0)::integer as truncated,
        coalesce(sum(votes) filter (where verdict = 'unverifiable'), 0)::integer as unverifiable,
        sum(tokens) / nullif(sum(measured), 0) as mean_tokens
    from tallied
    where role = 'student'
    group by prompt_id, model
)

select
    counted.prompt_id,
    counted.student,
    keyed.key_id,
    prompts.domain,
    keyed.answer_type,
    counted.correct,
    counted.wrong,
    counted.truncated,
    counted.unverifiable,
    counted.mean_tokens,
    answered.entropy,
    answered.answers,
    answered.agreement,
    coalesce(reference.correct, 0) / nullif(reference.decided, 0) as reference_rate,
    reference.decided::integer as reference_decided
from counted
inner join keyed on counted.prompt_id = keyed.prompt_id
inner join prompts on counted.prompt_id = prompts.prompt_id
left join answered
    on counted.prompt_id = answered.prompt_id and counted.student = answered.model
left join reference on counted.prompt_id = reference.prompt_id
