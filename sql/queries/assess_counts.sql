-- One row is a prompt in a range of ids and a student: its verdicts counted, its answers compared.
-- A class is a set of answers that mean the same: the correct ones, equal numbers, equal spellings. It
-- is known by a number or else a spelling; what has neither gave no answer.
-- Only where $unplaced says that there are grades without a prompt of their own, responses are read.
with given as not materialized (
    select
        prompt_id, key_id, role, model, completion_tokens, verdict, extracted, response_id, created_at,
        version, verifier, attempt
    from grades
    where
        prompt_id >= $low
        and prompt_id < $high
        and role in ('student', 'reference')
        and response_id not in (
            select response_id from superseded_responses where prompt_id >= $low and prompt_id < $high
        )
    union all
    select
        responses.prompt_id, grades.key_id, responses.role, responses.model,
        responses.completion_tokens, grades.verdict, grades.extracted, grades.response_id,
        grades.created_at, grades.version, grades.verifier, grades.attempt
    from grades
    inner join responses on grades.response_id = responses.response_id
    where
        $unplaced
        and grades.prompt_id is null
        and responses.prompt_id >= $low
        and responses.prompt_id < $high
        and responses.role in ('student', 'reference')
        and responses.response_id not in (
            select response_id from superseded_responses where prompt_id >= $low and prompt_id < $high
        )
),

summed as materialized (
    select
        prompt_id,
        key_id,
        role,
        model,
        verdict,
        extracted,
        count(*) as votes,
        sum(completion_tokens) as tokens,
        count(completion_tokens) as measured,
        min(hash(verifier, version, attempt)) as first_mark,
        max(hash(verifier, version, attempt)) as last_mark
    from given
    group by prompt_id, key_id, role, model, verdict, extracted
),

-- Two grades of one response against one key differ in verifier, version or attempt. Where a prompt's
-- do not, no response was graded twice; only the others' are put in order.
regraded as materialized (
    select prompt_id, key_id
    from summed
    group by prompt_id, key_id
    having min(first_mark) <> max(last_mark)
),

last_words as (
    select prompt_id, key_id, role, model, completion_tokens, verdict, extracted
    from given
    semi join regraded on given.prompt_id = regraded.prompt_id and given.key_id = regraded.key_id
    qualify row_number() over (
        partition by response_id, key_id order by created_at desc, version desc, verifier
    ) = 1
),

graded as (
    select prompt_id, key_id, role, model, verdict, extracted, votes, tokens, measured
    from summed
    anti join regraded on summed.prompt_id = regraded.prompt_id and summed.key_id = regraded.key_id
    union all
    select
        prompt_id, key_id, role, model, verdict, extracted, 1 as votes, completion_tokens as tokens,
        if(completion_tokens is null, 0, 1) as measured
    from last_words
),

keyed as materialized (
    select
        current_keys.prompt_id, current_keys.key_id, current_keys.answer_type, prompts.domain, prompts.kind
    from current_keys
    inner join prompts on current_keys.prompt_id = prompts.prompt_id
    where current_keys.prompt_id >= $low and current_keys.prompt_id < $high
),

numbered as (
    select
        graded.prompt_id,
        graded.role,
        graded.model,
        graded.verdict,
        if(graded.verdict = 'wrong' and keyed.answer_type <> 'code', graded.extracted, null) as other,
        try_cast(replace(other, ',', '') as double) as number,
        graded.votes,
        graded.tokens,
        graded.measured
    from graded
    inner join keyed on graded.prompt_id = keyed.prompt_id and graded.key_id = keyed.key_id
),

tallied as materialized (
    select
        prompt_id,
        role,
        model,
        verdict,
        number,
        case
            when verdict = 'correct' then ''
            when number is null then lower(trim(other))
        end as spelling,
        sum(votes) as votes,
        sum(tokens) as tokens,
        sum(measured) as measured
    from numbered
    group by prompt_id, role, model, verdict, number, spelling
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
    select prompt_id, number, spelling
    from (
        select prompt_id, number, spelling, sum(votes) as votes
        from tallied
        where role = 'reference' and (number is not null or spelling is not null)
        group by prompt_id, number, spelling
    )
    qualify row_number() over (
        partition by prompt_id order by votes desc, coalesce(number::varchar, spelling)
    ) = 1
),

counted as (
    select
        tallied.prompt_id,
        tallied.model as student,
        coalesce(sum(votes) filter (where verdict = 'correct'), 0)::integer as correct,
        coalesce(sum(votes) filter (where verdict = 'wrong'), 0)::integer as wrong,
        coalesce(sum(votes) filter (where verdict = 'truncated'), 0)::integer as truncated,
        coalesce(sum(votes) filter (where verdict = 'unverifiable'), 0)::integer as unverifiable,
        sum(tokens) / nullif(sum(measured), 0) as mean_tokens,
        count(*) filter (where tallied.number is not null or tallied.spelling is not null)::integer as answers,
        sum(votes) filter (where tallied.number is not null or tallied.spelling is not null) as answered,
        sum(votes * log2(votes)) filter (where tallied.number is not null or tallied.spelling is not null) as scattered,
        count(favourites.prompt_id) > 0 as compared,
        coalesce(
            sum(votes) filter (
                where tallied.number = favourites.number or tallied.spelling = favourites.spelling
            ),
            0
        ) as agreeing
    from tallied
    left join favourites on tallied.prompt_id = favourites.prompt_id
    where tallied.role = 'student'
    group by tallied.prompt_id, tallied.model
)

select
    counted.prompt_id,
    counted.student,
    keyed.key_id,
    keyed.domain,
    keyed.answer_type,
    counted.correct,
    counted.wrong,
    counted.truncated,
    counted.unverifiable,
    counted.mean_tokens,
    -- Rounded: the order of a sum of fractions may differ from run to run.
    round(log2(counted.answered) - counted.scattered / counted.answered, 6) as entropy,
    nullif(counted.answers, 0) as answers,
    if(counted.compared, counted.agreeing / counted.answered, null) as agreement,
    coalesce(reference.correct, 0) / nullif(reference.decided, 0) as reference_rate,
    reference.decided::integer as reference_decided,
    -- The answers by which a rewrite was accepted, and no sample beyond them: no rate to compare with.
    keyed.kind is not distinct from 'rewrite' and right(counted.prompt_id, 8) >= $sampled_below as is_confirmation
from counted
inner join keyed on counted.prompt_id = keyed.prompt_id
left join reference on counted.prompt_id = reference.prompt_id
