-- Ratings: what judges said of prompts and responses on a rubric, and what is objected to since.

create table ratings (
    rating_id varchar,        -- content hash of subject, template, judge and vote
    prompt_id varchar,
    response_id varchar,      -- the response that was rated; null: the prompt
    rubric varchar,           -- domain and name, e.g. safety.conduct
    template varchar,         -- the same with a digest of all that the judge was told
    judge varchar,
    vote integer,             -- 0, 1, …
    scores json,              -- the reply; null if it was not shown to the judge
    score double,             -- mean of its scores, 1 to 5
    screened varchar,         -- why it was not shown to the judge; null if it was
    reply_id varchar,         -- response_id of the judge's reply
    simulated boolean,
    run_id varchar,
    created_at timestamptz
);

create table objections (
    prompt_id varchar,
    response_id varchar,      -- null: the objection is to the prompt
    source varchar,           -- a rubric, or guidelines: the scan for what teachers are told
    version varchar,          -- what was asked and where the bar stood
    reason varchar,           -- null: nothing is objected to, or no longer
    detail varchar,
    below varchar,            -- what becomes of a prompt: drop | needs_review
    run_id varchar,
    created_at timestamptz
);

-- The last word of every source on every prompt and response.
create view current_objections as
select prompt_id, response_id, source, version, reason, detail, below, run_id, created_at
from objections
qualify row_number() over (
    partition by prompt_id, response_id, source order by created_at desc
) = 1;

-- As before, but a prompt that judges object to costs no more than that.
create or replace view spendable_prompts as
select
    prompts.prompt_id, prompts.root_id, prompts.parent_id, prompts.kind, prompts.domain,
    prompts.text, prompts.choices, prompts.answer, prompts.answer_type, prompts.answer_source
from prompts
where
    not exists (
        select 1
        from current_duplicates
        where
            current_duplicates.prompt_id = prompts.prompt_id
            and current_duplicates.representative_id <> prompts.prompt_id
    )
    and not exists (
        select 1
        from tainting
        where tainting.prompt_id = prompts.prompt_id and tainting.response_id is null
    )
    and not exists (
        select 1
        from withdrawn_prompts
        where withdrawn_prompts.prompt_id = prompts.prompt_id
    )
    and not exists (
        select 1
        from current_objections
        where
            current_objections.prompt_id = prompts.prompt_id
            and current_objections.response_id is null
            and current_objections.reason is not null
            and current_objections.prompt_id not in (
                select current_reviews.prompt_id from current_reviews where current_reviews.refusal is null
            )
    );

-- As before, but a response that is objected to is not usable.
create or replace view teacher_responses as
with graded as (
    select responses.prompt_id, grades.response_id, grades.verdict
    from responses
    inner join current_keys on responses.prompt_id = current_keys.prompt_id
    inner join grades
        on responses.response_id = grades.response_id and current_keys.key_id = grades.key_id
    where responses.role = 'teacher'
    qualify row_number() over (
        partition by responses.prompt_id, grades.response_id
        order by grades.created_at desc, grades.version desc, grades.verifier
    ) = 1
)

select
    responses.response_id,
    responses.prompt_id,
    responses.model,
    responses.server,
    responses.sample_index,
    graded.verdict,
    regexp_matches(coalesce(responses.content, ''), '\S')
    and responses.finish_reason is distinct from 'length'
    and graded.verdict is distinct from 'truncated'
    and not exists (
        select 1 from tainting where tainting.response_id = responses.response_id
    )
    and not exists (
        select 1
        from current_objections
        where
            current_objections.prompt_id = responses.prompt_id
            and current_objections.response_id = responses.response_id
            and current_objections.reason is not null
    ) as usable
from responses
left join graded
    on responses.prompt_id = graded.prompt_id and responses.response_id = graded.response_id
where responses.role = 'teacher';

-- One row per rubric that rates prompts and student: how far its mean score and the measured pass
-- rate rank prompts alike (Spearman's coefficient; ties share their mean rank).
create view rubric_correlations as
with rated as (
    select
        ratings.rubric,
        ratings.prompt_id,
        avg(ratings.score) as score
    from ratings
    where ratings.response_id is null and ratings.score is not null
    group by ratings.rubric, ratings.prompt_id
),

measured as (
    select
        rated.rubric,
        prompts.domain,
        current_difficulty.student,
        rated.score,
        current_difficulty.pass_rate
    from rated
    inner join prompts on rated.prompt_id = prompts.prompt_id
    inner join current_difficulty on rated.prompt_id = current_difficulty.prompt_id
    where current_difficulty.pass_rate is not null
),

ranked as (
    select
        rubric,
        domain,
        student,
        rank() over (partition by rubric, domain, student order by score)
        + (count(*) over (partition by rubric, domain, student, score) - 1) / 2 as by_score,
        rank() over (partition by rubric, domain, student order by pass_rate)
        + (count(*) over (partition by rubric, domain, student, pass_rate) - 1) / 2 as by_rate
    from measured
)

select
    rubric,
    domain,
    student,
    count(*) as prompts,
    corr(by_score, by_rate) as spearman
from ranked
group by all
order by rubric, domain, student;

-- One row per rubric and judge: how often it was asked, what it gave on the mean, and what came of it.
create view ratings_by_rubric as
select
    ratings.rubric,
    ratings.judge,
    count(*) as ratings,
    count(distinct coalesce(ratings.response_id, ratings.prompt_id)) as subjects,
    avg(ratings.score) as mean_score,
    count(*) filter (ratings.screened is not null) as screened,
    count(distinct coalesce(ratings.response_id, ratings.prompt_id)) filter (
        current_objections.reason is not null
    ) as objected_to
from ratings
left join current_objections
    on
        ratings.prompt_id = current_objections.prompt_id
        and ratings.response_id is not distinct from current_objections.response_id
        and ratings.rubric = current_objections.source
group by all
order by ratings.rubric, ratings.judge;
