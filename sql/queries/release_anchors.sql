-- One row per prompt that a policy keeps though its rate is outside the band.
select prompt_id
from current_decisions
where policy = $policy and kept and reason in ('certified_hard', 'easy_anchor')
