-- Where did the prompts go? One row per kind, stage and reason of the policy in force.
-- teachset query sql/adhoc/funnel.sql
select kind, stage, reason, sum(prompts)::bigint as prompts
from funnel
group by all
order by prompts desc;
