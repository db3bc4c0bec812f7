-- One row per domain, kind and outcome of one policy, with the number of prompts.
select domain, kind, kept, stage, reason, prompts
from funnels
where policy = $policy
order by all
