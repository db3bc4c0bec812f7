-- Views that answer what people ask in the morning: docs/queries.md has each with an example.

-- One row per UTC day, role and model: what was called and what it cost.
create view spend_by_day as
select
    (created_at at time zone 'UTC')::date as day,
    role,
    model,
    sum(calls)::bigint as calls,                   -- every attempt
    count(*) filter (completed) as responses,
    count(*) filter (not completed) as without_response,
    sum(prompt_tokens)::bigint as prompt_tokens,
    sum(completion_tokens)::bigint as completion_tokens,
    sum(cost_usd) as usd,                          -- null if no price is known
    coalesce(sum(calls) filter (cost_usd is null), 0)::bigint as unpriced -- calls not in the dollars
from spend
group by all
order by day desc, usd desc nulls last, role, model;

-- One row per domain and student: how hard the domain's prompts are for it.
create view difficulty_by_domain as
select
    prompts.domain,
    current_difficulty.student,
    count(*) as prompts,                           -- that were measured
    sum(correct + wrong)::bigint as decided,       -- its samples that count
    sum(truncated)::bigint as truncated,
    sum(unverifiable)::bigint as unverifiable,
    avg(pass_rate) as mean_pass_rate,
    median(pass_rate) as median_pass_rate,
    count(*) filter (wrong = 0 and correct > 0) as always_solved,
    count(*) filter (correct = 0 and wrong > 0) as never_solved,
    count(*) filter (pass_rate between band_low and band_high) as within_band,
    avg(gap) as mean_gap                           -- the reference's rate minus the student's
from current_difficulty
inner join prompts on current_difficulty.prompt_id = prompts.prompt_id
group by all
order by prompts.domain, current_difficulty.student;

-- One row per call that came to nothing in the seven days before the newest run began, or since;
-- newest first.
create view failures_recent as
select
    failures.created_at,
    failures.run_id,
    failures.role,
    failures.model,
    failures.failure,
    failures.attempts,
    failures.cost_usd,
    failures.message,
    exists (
        select 1 from responses where responses.response_id = failures.response_id
    ) as answered_since,                           -- a later run has the answer
    prompts.domain,
    prompts.text as prompt,
    failures.prompt_id,
    failures.response_id
from failures
left join prompts on failures.prompt_id = prompts.prompt_id
where
    failures.created_at >= coalesce(
        (select max(started_at) from runs) - interval 7 days, '-infinity'::timestamptz
    )
order by failures.created_at desc, failures.response_id;

-- One row per kind of row that came in at or after a moment: select * from
-- what_changed_since('2026-11-21') or what_changed_since(now() - interval 1 day).
create macro what_changed_since(moment) as table
with changes as (
    select 1 as step, 'runs' as what, concat_ws(' ', flow, state) as detail, started_at as created_at
    from runs
    where started_at >= moment::timestamptz
    union all
    select 2, 'prompts', concat_ws(' ', kind, domain), created_at
    from prompts
    where created_at >= moment::timestamptz
    union all
    select 3, 'quarantine', concat_ws(' ', purpose, reason), created_at
    from quarantine
    where created_at >= moment::timestamptz
    union all
    select 4, 'benchmark_items', benchmark, created_at
    from benchmark_items
    where created_at >= moment::timestamptz
    union all
    select
        5, 'duplicates',
        if(representative_id = prompt_id, 'no longer', 'duplicate') || ' ' || method, created_at
    from duplicates
    where created_at >= moment::timestamptz
    union all
    select
        6, 'contamination',
        concat_ws(' ', if(score > 0, null, 'no longer'), benchmark, method), created_at
    from contamination
    where created_at >= moment::timestamptz
    union all
    select 7, 'rewrites', concat_ws(' ', strategy, reason), created_at
    from rewrites
    where created_at >= moment::timestamptz
    union all
    select 8, 'responses', concat_ws(' ', role, model), created_at
    from responses
    where created_at >= moment::timestamptz
    union all
    select 9, 'failures', concat_ws(' ', role, model, failure), created_at
    from failures
    where created_at >= moment::timestamptz
    union all
    select
        10, 'keys', concat_ws(' ', source, if(trusted, 'trusted', 'not trusted')), created_at
    from keys
    where created_at >= moment::timestamptz
    union all
    select 11, 'reviews', if(refusal is null, 'answered', 'refused'), created_at
    from reviews
    where created_at >= moment::timestamptz
    union all
    select 12, 'grades', verdict, created_at
    from grades
    where created_at >= moment::timestamptz
    union all
    select 13, 'difficulty', student, created_at
    from difficulty
    where created_at >= moment::timestamptz
    union all
    select 14, 'decisions', if(kept, 'kept', concat_ws(' ', stage, reason)), created_at
    from decisions
    where created_at >= moment::timestamptz
    union all
    select 15, 'gates', concat_ws(' ', suite, if(passed, 'passed', 'closed')), created_at
    from gates
    where created_at >= moment::timestamptz
    union all
    select 16, 'releases', concat_ws(' ', recipe, 'version', version), created_at
    from releases
    where created_at >= moment::timestamptz
)

select what, detail, count(*) as rows, min(created_at) as first_at,
    max(created_at) as last_at
from changes
group by step, what, detail
order by step, rows desc, detail;

-- The same since the newest run began: what it has changed so far, or did.
create view what_changed_last_run as
select what, detail, rows, first_at, last_at
from what_changed_since((select max(started_at) from runs where flow <> 'tidy'));
