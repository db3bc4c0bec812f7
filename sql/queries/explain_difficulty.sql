-- One row per student that a prompt's difficulty was measured on.
select student, correct, wrong, truncated, unverifiable, pass_rate, low, high, created_at
from current_difficulty
where prompt_id = $prompt_id
order by student;
