-- One row per policy that decided on a prompt, the newest first.
select policy, kept, stage, reason, detail, created_at
from current_decisions
where prompt_id = $prompt_id
order by created_at desc, policy;
