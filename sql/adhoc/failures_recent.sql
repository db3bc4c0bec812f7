-- What is failing, and is anything still missing because of it? One row per role, model and
-- failure of the last days, with the newest message.
select
    role,
    model,
    failure,
    count(*) as calls,
    count(*) filter (not answered_since) as still_missing,
    max(created_at) as last_at,
    arg_max(message, created_at) as last_message
from failures_recent
group by role, model, failure
order by still_missing desc, calls desc, role, model;
