-- Views that take a store of a million prompts no longer than they must. What they say is the same.

-- One row per grade, with the prompt, role and model of its response, also where the grade is older
-- than these columns of its table.
create view placed_grades as
select
    response_id, key_id, verifier, version, verdict, extracted, reason, attempt, prompt_id, role, model,
    run_id, created_at
from grades
where prompt_id is not null
union all
select
    grades.response_id, grades.key_id, grades.verifier, grades.version, grades.verdict,
    grades.extracted, grades.reason, grades.attempt, responses.prompt_id, responses.role,
    responses.model, grades.run_id, grades.created_at
from grades
inner join responses on grades.response_id = responses.response_id
where grades.prompt_id is null;

-- A question about some prompts is one about their grades only: prompt_id is among what is put in order.
create or replace view current_grades as
select
    grades.response_id, grades.key_id, grades.verifier, grades.version, grades.verdict,
    grades.extracted, grades.reason, grades.run_id, grades.created_at, grades.prompt_id, grades.role,
    grades.model
from placed_grades as grades
inner join current_keys
    on grades.prompt_id = current_keys.prompt_id and grades.key_id = current_keys.key_id
qualify row_number() over (
    partition by grades.prompt_id, grades.response_id
    order by grades.created_at desc, grades.version desc, grades.verifier
) = 1;

-- The prompt narrows down where a response is to be looked for.
create or replace view pairs as
select
    releases.recipe,
    releases.version,
    release_pairs.pair_id,
    release_pairs.split,
    prompts.domain,
    prompts.kind,
    prompts.text as prompt,
    responses.content as response,
    responses.reasoning,
    release_pairs.prompt_id,
    release_pairs.response_id
from release_pairs
inner join releases on release_pairs.release_id = releases.release_id
inner join prompts on release_pairs.prompt_id = prompts.prompt_id
inner join responses
    on
        release_pairs.prompt_id = responses.prompt_id
        and release_pairs.response_id = responses.response_id;

-- The day is counted from the microseconds: to ask a calendar takes four times as long as all the rest.
create or replace view spend_by_day as
select
    date '1970-01-01' + (epoch_us(created_at) // 86400000000)::integer as day,
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

create or replace view failures_recent as
with recent as (
    select
        created_at, run_id, role, model, failure, attempts, cost_usd, message, prompt_id, response_id
    from failures
    where
        created_at >= coalesce(
            (select max(started_at) from runs) - interval 7 days, '-infinity'::timestamptz
        )
),

answered as (
    select responses.response_id
    from responses
    semi join recent on responses.response_id = recent.response_id
),

asked as (
    select prompts.prompt_id, prompts.domain, prompts.text
    from prompts
    semi join recent on prompts.prompt_id = recent.prompt_id
)

select
    recent.created_at,
    recent.run_id,
    recent.role,
    recent.model,
    recent.failure,
    recent.attempts,
    recent.cost_usd,
    recent.message,
    exists (
        select 1 from answered where answered.response_id = recent.response_id
    ) as answered_since,                           -- a later run has the answer
    asked.domain,
    asked.text as prompt,
    recent.prompt_id,
    recent.response_id
from recent
left join asked on recent.prompt_id = asked.prompt_id
order by recent.created_at desc, recent.response_id;

-- Rows are counted by what they hold before that is put in words.
create or replace macro what_changed_since(moment) as table
with changes as (
    select
        1 as step, 'runs' as what, concat_ws(' ', flow, state) as detail, count(*) as rows,
        min(started_at) as first_at, max(started_at) as last_at
    from runs
    where started_at >= moment::timestamptz
    group by flow, state
    union all
    select 2, 'prompts', concat_ws(' ', kind, domain), count(*), min(created_at), max(created_at)
    from prompts
    where created_at >= moment::timestamptz
    group by kind, domain
    union all
    select
        3, 'quarantine', concat_ws(' ', purpose, reason), count(*), min(created_at), max(created_at)
    from quarantine
    where created_at >= moment::timestamptz
    group by purpose, reason
    union all
    select 4, 'benchmark_items', benchmark, count(*), min(created_at), max(created_at)
    from benchmark_items
    where created_at >= moment::timestamptz
    group by benchmark
    union all
    select
        5, 'duplicates', if(representative_id = prompt_id, 'no longer', 'duplicate') || ' ' || method,
        count(*), min(created_at), max(created_at)
    from duplicates
    where created_at >= moment::timestamptz
    group by representative_id = prompt_id, method
    union all
    select
        6, 'contamination', concat_ws(' ', if(score > 0, null, 'no longer'), benchmark, method),
        count(*), min(created_at), max(created_at)
    from contamination
    where created_at >= moment::timestamptz
    group by score > 0, benchmark, method
    union all
    select 7, 'rewrites', concat_ws(' ', strategy, reason), count(*), min(created_at), max(created_at)
    from rewrites
    where created_at >= moment::timestamptz
    group by strategy, reason
    union all
    select 8, 'responses', concat_ws(' ', role, model), count(*), min(created_at), max(created_at)
    from responses
    where created_at >= moment::timestamptz
    group by role, model
    union all
    select
        9, 'failures', concat_ws(' ', role, model, failure), count(*), min(created_at),
        max(created_at)
    from failures
    where created_at >= moment::timestamptz
    group by role, model, failure
    union all
    select
        10, 'keys', concat_ws(' ', source, if(trusted, 'trusted', 'not trusted')), count(*),
        min(created_at), max(created_at)
    from keys
    where created_at >= moment::timestamptz
    group by source, trusted
    union all
    select
        11, 'reviews', if(refusal is null, 'answered', 'refused'), count(*), min(created_at),
        max(created_at)
    from reviews
    where created_at >= moment::timestamptz
    group by refusal is null
    union all
    select 12, 'grades', verdict, count(*), min(created_at), max(created_at)
    from grades
    where created_at >= moment::timestamptz
    group by verdict
    union all
    select 13, 'difficulty', student, count(*), min(created_at), max(created_at)
    from difficulty
    where created_at >= moment::timestamptz
    group by student
    union all
    select
        14, 'decisions', if(kept, 'kept', concat_ws(' ', stage, reason)), count(*), min(created_at),
        max(created_at)
    from decisions
    where created_at >= moment::timestamptz
    group by kept, stage, reason
    union all
    select
        15, 'gates', concat_ws(' ', suite, if(passed, 'passed', 'closed')), count(*), min(created_at),
        max(created_at)
    from gates
    where created_at >= moment::timestamptz
    group by suite, passed
    union all
    select
        16, 'releases', concat_ws(' ', recipe, 'version', version), count(*), min(created_at),
        max(created_at)
    from releases
    where created_at >= moment::timestamptz
    group by recipe, version
)

select what, detail, sum(rows)::bigint as rows, min(first_at) as first_at, max(last_at) as last_at
from changes
group by step, what, detail
order by step, rows desc, detail;

-- One row per prompt that the newest policy keeps: those that it ever kept, without those that it has
-- dropped since.
create view latest_kept as
with kept as materialized (
    select prompt_id, max(created_at) as kept_at
    from decisions
    where kept and policy = (select policy from latest_policy)
    group by prompt_id
),

dropped as (
    select prompt_id, created_at as dropped_at
    from decisions
    where
        not kept
        and policy = (select policy from latest_policy)
        and created_at > (select min(kept_at) from kept)
)

select prompt_id
from kept
where
    not exists (
        select 1
        from dropped
        where dropped.prompt_id = kept.prompt_id and dropped.dropped_at > kept.kept_at
    );

-- As before, with no other prompts and answers looked up than those that are spoken of.
create or replace view rewrite_accounts as
-- A candidate that two replies made is confirmed once.
with proposed as (
    select
        current_rewrites.*,
        row_number() over (partition by prompt_id order by accepted desc, response_id) = 1 as pays
    from current_rewrites
),

confirmed as (
    select responses.prompt_id, sum(responses.cost_usd) as cost_usd
    from responses
    semi join proposed on responses.prompt_id = proposed.prompt_id
    where responses.role = 'reference'
    group by responses.prompt_id
),

replied as (
    select responses.response_id, responses.model, responses.cost_usd
    from responses
    semi join proposed on responses.response_id = proposed.response_id
),

outcomes as (
    select
        proposed.strategy,
        proposed.parent_id,
        replied.model,
        proposed.accepted,
        proposed.reason,
        replied.cost_usd,
        case
            when proposed.prompt_id is not null and proposed.pays then confirmed.cost_usd
        end as confirmation_usd
    from proposed
    inner join replied on proposed.response_id = replied.response_id
    left join confirmed on proposed.prompt_id = confirmed.prompt_id
    union all
    select
        split_part(template, '@', 1) as strategy,
        prompt_id as parent_id,
        model,
        false as accepted,
        'no_reply: ' || failure as reason,
        cost_usd,
        null as confirmation_usd
    from failures
    where role = 'rewriter'
),

parents as (
    select prompts.prompt_id, prompts.domain
    from prompts
    semi join outcomes on prompts.prompt_id = outcomes.parent_id
)

select
    outcomes.strategy,
    parents.domain,
    outcomes.model,
    outcomes.accepted,
    outcomes.reason,
    count(*)::bigint as rewrites,
    coalesce(sum(outcomes.cost_usd), 0) as rewriter_usd,
    coalesce(sum(outcomes.confirmation_usd), 0) as confirmation_usd
from outcomes
inner join parents on outcomes.parent_id = parents.prompt_id
group by all;
