-- One row: how many prompts this screen has not compared with the benchmarks yet.
select count(*)::bigint as texts
from prompts
where
    not exists (
        select 1 from screened where screened.text_id = prompts.prompt_id and screened.screen = $screen
    )
