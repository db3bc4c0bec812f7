-- Which strategies work? One row per strategy and outcome of the acceptance gates.
select
    strategy,
    template,
    reason,
    count(*) as rewrites,
    round(count(*) / sum(count(*)) over (partition by strategy, template), 3) as share
from current_rewrites
group by strategy, template, reason
order by strategy, template, rewrites desc;
