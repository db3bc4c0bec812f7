-- One row per role and model: its calls, tokens and dollars, ever and in one run.
select
    role,
    model,
    count(*)::bigint as calls,
    (count(*) filter (run_id = $run_id))::bigint as calls_this_run,
    (count(*) filter (not completed))::bigint as failed,
    sum(prompt_tokens)::bigint as prompt_tokens,
    sum(completion_tokens)::bigint as completion_tokens,
    round(sum(cost_usd), 4) as cost_usd,
    round(sum(cost_usd) filter (run_id = $run_id), 4) as cost_usd_this_run
from spend
group by role, model
order by role, model
