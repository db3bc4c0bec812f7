-- What did it cost? One row per day, role and model; `calls` counts every attempt, and what is
-- `unpriced` is not in the dollars.
select
    day,
    role,
    model,
    calls,
    without_response,
    prompt_tokens,
    completion_tokens,
    round(usd, 4) as usd,
    unpriced
from spend_by_day
order by day, role, model;
