-- One row: the most that the requests in unfinished batches can still cost.
select
    coalesce(sum(reserved_usd), 0.0)::double as usd,
    coalesce(sum(reserved_tokens), 0)::bigint as tokens,
    count(*)::bigint as calls
from held_requests
