-- Routes of seeds that the rules cannot place: a model is asked, and its word is kept beside theirs.

alter table routes add column doubt varchar;        -- why the rules are not sure; null: they are
alter table routes add column decided_by varchar;   -- rule | model; null: rule
alter table routes add column model varchar;        -- who was asked; null: nobody
alter table routes add column template varchar;     -- what was asked, e.g. route@1
alter table routes add column response_id varchar;  -- the model's reply
alter table routes add column reason varchar;       -- agreed | replaced | unsure | malformed | truncated

-- The last word on every seed: by the newest rules, and what a model was asked about it goes first.
create or replace view current_routes as
select
    prompt_id, route, rule, version, run_id, created_at, doubt,
    coalesce(decided_by, 'rule') as decided_by, model, template, response_id, reason
from routes
qualify row_number() over (
    partition by prompt_id
    order by version desc, response_id is not null desc, created_at desc, response_id desc
) = 1;

-- Who placed the seeds, why, and what that cost: one row per domain, decider, model and reason.
-- `sure` are the seeds that the rules placed, `not_asked` those that they guessed at.
create view route_accounts as
with failed as (
    select
        prompt_id,
        arg_max(model, created_at) as model,
        arg_max(template, created_at) as template,
        arg_max(failure, created_at) as failure,
        sum(cost_usd) as cost_usd
    from failures
    where role = 'router'
    group by prompt_id
)

select
    prompts.domain,
    current_routes.route,
    current_routes.decided_by,
    coalesce(current_routes.model, failed.model) as model,
    coalesce(current_routes.template, failed.template) as template,
    case
        when current_routes.reason is not null then current_routes.reason
        when failed.failure is not null then 'no_reply: ' || failed.failure
        when current_routes.doubt is null then 'sure'
        else 'not_asked'
    end as reason,
    count(*)::bigint as seeds,
    coalesce(sum(responses.cost_usd), 0) + coalesce(sum(failed.cost_usd), 0) as cost_usd
from current_routes
inner join prompts on current_routes.prompt_id = prompts.prompt_id
left join responses on current_routes.response_id = responses.response_id
left join failed on current_routes.prompt_id = failed.prompt_id
group by all;
