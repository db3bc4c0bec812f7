-- One row: the newest run, with its calls and what they cost.
with newest as (
    select run_id, flow, state, message, started_at, finished_at
    from runs
    order by started_at desc, run_id
    limit 1
)

select
    newest.run_id, newest.flow, newest.state, newest.message, newest.started_at,
    newest.finished_at, coalesce(sum(spend.calls), 0)::bigint as calls,
    count(spend.response_id) filter (where not spend.completed) as failed_calls,
    coalesce(sum(spend.cost_usd), 0) as cost_usd,
    count(spend.response_id) filter (where spend.cost_usd is null) as unpriced
from newest
left join spend on newest.run_id = spend.run_id
group by all;
