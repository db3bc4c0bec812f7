-- One row per prompt that either of two students was measured on, against the same key.
with measured as (
    select
        current_difficulty.prompt_id,
        current_difficulty.student,
        current_difficulty.pass_rate,
        current_difficulty.low,
        current_difficulty.high,
        current_difficulty.band_low,
        current_difficulty.band_high
    from current_difficulty
    inner join current_keys
        on
            current_difficulty.prompt_id = current_keys.prompt_id
            and current_difficulty.key_id = current_keys.key_id
    where
        current_difficulty.student in ($before, $now)
        and current_difficulty.pass_rate is not null
),

earlier as (select * from measured where student = $before),

later as (select * from measured where student = $now)

select
    prompts.prompt_id,
    prompts.root_id,
    coalesce(prompts.domain, 'none') as domain,
    prompts.text,
    earlier.pass_rate as before,
    earlier.low as before_low,
    earlier.high as before_high,
    later.pass_rate as now,
    later.low as now_low,
    later.high as now_high,
    coalesce(later.band_low, earlier.band_low) as band_low,
    coalesce(later.band_high, earlier.band_high) as band_high
from earlier
full join later on earlier.prompt_id = later.prompt_id
inner join prompts on prompts.prompt_id = coalesce(earlier.prompt_id, later.prompt_id)
order by prompts.prompt_id
