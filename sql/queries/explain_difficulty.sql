-- One row per student that a prompt's difficulty was measured on.
select
    student, correct, wrong, truncated, unverifiable, observed_rate, pass_rate, low, high, band_low,
    band_high, in_band, entropy, answers, mean_tokens, agreement, reference_rate, gap, created_at
from current_difficulty
where prompt_id = $prompt_id
order by student;
