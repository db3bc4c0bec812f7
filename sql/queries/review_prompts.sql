-- One row per prompt that a review may be about, of the ids that are named.
select prompt_id, answer_type, choices
from prompts
where prompt_id in (select unnest($prompt_ids))
