-- One row per prompt that this screen has not compared with the benchmarks yet.
select
    prompt_id as text_id, prompt_id, null::varchar as response_id, text, choices
from prompts
where
    not exists (
        select 1 from screened where screened.text_id = prompts.prompt_id and screened.screen = $screen
    )
