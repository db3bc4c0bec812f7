-- One row per domain and outcome of the policy in force: how many prompts were kept or dropped, why.
select domain, kept, stage, reason, sum(prompts)::bigint as prompts
from funnel
group by all
order by kept desc, stage, reason, domain;
