-- Tallies: how many prompts are in which state, counted as their rows come in (tasks/tallies.py).
--
-- To count the last words of 1.4 million prompts takes seconds; a sum of these rows takes none. A word
-- that takes back another is two rows: one less of the old state, one more of the new.

create table decision_tallies (
    policy varchar,
    domain varchar,           -- of the prompt
    kind varchar,             -- of the prompt
    kept boolean,
    stage varchar,
    reason varchar,
    prompts bigint,           -- how many more are in this state; negative: how many less
    created_at timestamptz    -- of the newest of the decisions that are counted
);

create table difficulty_tallies (
    domain varchar,           -- of the prompt
    student varchar,
    pass_rate double,
    gap double,
    in_reach boolean,         -- the pass rate lies in the band that the measure is about
    solved varchar,           -- always | never; null: now and then, or nothing was decided
    prompts bigint,           -- how many more there are; negative: how many less
    decided bigint,           -- the same of their samples that were correct or wrong
    truncated bigint,
    unverifiable bigint,
    created_at timestamptz
);

-- One row per policy, and domain, kind and outcome of the prompts that were decided on by it.
create view funnels as
select
    policy,
    domain,
    kind,
    kept,
    stage,
    reason,
    sum(prompts)::bigint as prompts
from decision_tallies
group by all
having sum(prompts) <> 0;

create or replace view latest_policy as
select policy
from decision_tallies
order by created_at desc, policy
limit 1;

create or replace view funnel as
select
    funnels.domain,
    funnels.kind,
    funnels.kept,
    funnels.stage,
    funnels.reason,
    funnels.prompts
from funnels
inner join latest_policy on funnels.policy = latest_policy.policy
order by funnels.domain, funnels.kind, funnels.kept desc, funnels.prompts desc;

-- One row per domain, student and pass rate, with what else is told apart; pass_rate is null where
-- nothing was decided.
create view pass_rates as
select
    domain,
    student,
    pass_rate,
    gap,
    in_reach,
    solved,
    sum(prompts)::bigint as prompts,
    sum(decided)::bigint as decided,
    sum(truncated)::bigint as truncated,
    sum(unverifiable)::bigint as unverifiable
from difficulty_tallies
group by all
having sum(prompts) <> 0;

-- As before: one row per domain and student. The median is that of `prompts` numbers, each pass rate
-- as often as there are prompts with it.
create or replace view difficulty_by_domain as
with places as (
    select
        domain,
        student,
        pass_rate,
        sum(sum(prompts)) over (partition by domain, student order by pass_rate) as upto,
        sum(sum(prompts)) over (partition by domain, student) as measured
    from pass_rates
    where pass_rate is not null
    group by domain, student, pass_rate
),

medians as (
    select
        domain,
        student,
        (
            min(pass_rate) filter (upto >= (measured + 1) // 2)
            + min(pass_rate) filter (upto >= measured // 2 + 1)
        ) / 2 as median_pass_rate
    from places
    group by domain, student
)

select
    pass_rates.domain,
    pass_rates.student,
    sum(prompts)::bigint as prompts,
    sum(decided)::bigint as decided,
    sum(truncated)::bigint as truncated,
    sum(unverifiable)::bigint as unverifiable,
    sum(pass_rate * prompts) / sum(prompts) filter (pass_rate is not null) as mean_pass_rate,
    any_value(median_pass_rate) as median_pass_rate,
    coalesce(sum(prompts) filter (solved = 'always'), 0)::bigint as always_solved,
    coalesce(sum(prompts) filter (solved = 'never'), 0)::bigint as never_solved,
    coalesce(sum(prompts) filter (in_reach), 0)::bigint as within_band,
    sum(gap * prompts) / sum(prompts) filter (gap is not null) as mean_gap
from pass_rates
left join medians
    on pass_rates.domain = medians.domain and pass_rates.student = medians.student
group by pass_rates.domain, pass_rates.student
order by pass_rates.domain, pass_rates.student;

insert into decision_tallies (policy) values (null);
insert into difficulty_tallies (domain) values (null);
