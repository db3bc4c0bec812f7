-- One row per prompt that passed selection and whose teaching was last found wanting.
select prompt_id
from current_decisions
where policy = $policy and stage = 'teach'
