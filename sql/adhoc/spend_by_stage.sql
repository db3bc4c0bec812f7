-- What did each stage cost, in which domain? One row per stage, role and domain, over all runs; the
-- dearest first.
select
    stage,
    role,
    domain,
    sum(calls)::bigint as calls,
    sum(without_response)::bigint as without_response,
    round(sum(usd), 4) as usd,
    sum(unpriced)::bigint as unpriced
from spend_by_stage
group by stage, role, domain
order by usd desc nulls last, stage, role, domain;
