-- One row per prompt and method by which it was last called a duplicate of another.
select prompt_id, method
from current_duplicates
where representative_id <> prompt_id
