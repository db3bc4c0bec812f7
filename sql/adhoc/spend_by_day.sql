-- What does a day cost, and is it growing? One row per day, over all roles and models.
select
    day,
    sum(calls)::bigint as calls,
    sum(without_response)::bigint as without_response,
    round(sum(usd), 4) as usd,
    sum(unpriced)::bigint as unpriced,
    round(sum(sum(usd)) over (order by day), 4) as usd_so_far
from spend_by_day
group by day
order by day desc
limit 30;
