-- Rubrics by what was asked: scores of one wording are no word on another one's.

-- One row per rubric, wording and judge: how often it was asked, what it gave on the mean, and what
-- came of the rubric's objections to what it rated.
create or replace view ratings_by_rubric as
select
    ratings.rubric,
    ratings.template,
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
order by ratings.rubric, ratings.template, ratings.judge;

-- One row per wording of a rubric that rates prompts, domain and student: how far its mean score
-- and the measured pass rate rank prompts alike (Spearman's coefficient; ties share their mean rank).
create or replace view rubric_correlations as
with rated as (
    select
        ratings.rubric,
        ratings.template,
        ratings.prompt_id,
        avg(ratings.score) as score
    from ratings
    where ratings.response_id is null and ratings.score is not null
    group by ratings.rubric, ratings.template, ratings.prompt_id
),

measured as (
    select
        rated.rubric,
        rated.template,
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
        template,
        domain,
        student,
        rank() over (partition by rubric, template, domain, student order by score)
        + (count(*) over (partition by rubric, template, domain, student, score) - 1) / 2 as by_score,
        rank() over (partition by rubric, template, domain, student order by pass_rate)
        + (count(*) over (partition by rubric, template, domain, student, pass_rate) - 1) / 2 as by_rate
    from measured
)

select
    rubric,
    template,
    domain,
    student,
    count(*) as prompts,
    corr(by_score, by_rate) as spearman
from ranked
group by all
order by rubric, template, domain, student;
