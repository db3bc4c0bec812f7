-- One row per reason that judges or the scan for guidelines object to: on how many prompts, responses.
select
    source,
    reason,
    count(*) filter (response_id is null) as prompts,
    count(*) filter (response_id is not null) as responses
from current_objections
where reason is not null
group by all
order by source, prompts + responses desc;
