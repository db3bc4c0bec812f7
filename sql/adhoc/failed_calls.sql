-- Which calls have no response? One row per role, model and failure, with the newest message.
select
    role,
    model,
    failure,
    count(*) as calls,
    round(sum(cost_usd), 4) as usd,
    max(created_at) as last_at,
    arg_max(message, created_at) as last_message
from failures
group by role, model, failure
order by calls desc, role, model;
