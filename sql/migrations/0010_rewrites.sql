-- Rewrites are decided by a version of the acceptance: a newer one decides stored replies again.

alter table rewrites add column acceptance integer;  -- version of the gates; null: 1; 0: not decided

-- The last word on every reply of the rewriter: by the newest version of the acceptance.
create view current_rewrites as
select
    response_id, parent_id, root_id, strategy, template, prompt_id, accepted, reason, detail,
    coalesce(acceptance, 1) as acceptance, run_id, created_at
from rewrites
qualify row_number() over (
    partition by response_id order by coalesce(acceptance, 1) desc, created_at desc
) = 1;

-- Rewrites that were accepted once and that a newer version of the acceptance refuses. They stay
-- in prompts with all that was measured on them; no more money is spent on them and none is kept.
create view withdrawn_prompts as
select
    prompts.prompt_id,
    prompts.root_id,
    current_rewrites.reason,
    current_rewrites.detail,
    current_rewrites.acceptance
from prompts
inner join current_rewrites on prompts.made_by = current_rewrites.response_id
where
    prompts.kind = 'rewrite'
    and not current_rewrites.accepted
    and current_rewrites.acceptance > 0
    and not exists (
        select 1
        from current_rewrites as other
        where other.prompt_id = prompts.prompt_id and other.accepted
    );

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
    );

-- What kind of task a seed is, which decides the strategies that apply to it.
create table routes (
    prompt_id varchar,
    route varchar,            -- safety | true_false | choice | code | multi_part | proof | numeric | …
    rule varchar,             -- why: the rule that decided
    version integer,          -- of the rules
    run_id varchar,
    created_at timestamptz
);

create view current_routes as
select prompt_id, route, rule, version, run_id, created_at
from routes
qualify row_number() over (partition by prompt_id order by version desc, created_at desc) = 1;

-- What became of the rewriter's calls and what they cost, with the answers that confirmed them: one
-- row per strategy, domain of the seed, model and reason. Calls without a reply are here too.
create view rewrite_accounts as
with confirmed as (
    select prompt_id, sum(cost_usd) as cost_usd
    from responses
    where role = 'reference'
    group by prompt_id
),

-- A candidate that two replies made is confirmed once.
proposed as (
    select
        current_rewrites.*,
        row_number() over (partition by prompt_id order by accepted desc, response_id) = 1 as pays
    from current_rewrites
),

outcomes as (
    select
        proposed.strategy,
        proposed.parent_id,
        responses.model,
        proposed.accepted,
        proposed.reason,
        responses.cost_usd,
        case
            when proposed.prompt_id is not null and proposed.pays then confirmed.cost_usd
        end as confirmation_usd
    from proposed
    inner join responses on proposed.response_id = responses.response_id
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
)

select
    outcomes.strategy,
    prompts.domain,
    outcomes.model,
    outcomes.accepted,
    outcomes.reason,
    count(*)::bigint as rewrites,
    coalesce(sum(outcomes.cost_usd), 0) as rewriter_usd,
    coalesce(sum(outcomes.confirmation_usd), 0) as confirmation_usd
from outcomes
inner join prompts on outcomes.parent_id = prompts.prompt_id
group by all;
