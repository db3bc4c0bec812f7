-- One row per prompt that was last called a duplicate of another.
select prompt_id
from current_duplicates
where representative_id <> prompt_id
