-- One row per teacher's response that this screen has not compared with the benchmarks yet.
select
    response_id as text_id,
    prompt_id,
    response_id,
    concat_ws(' ', reasoning, content) as text,
    null::varchar[] as choices
from responses
where
    role = 'teacher'
    and not exists (
        select 1 from screened where screened.text_id = responses.response_id and screened.screen = $screen
    )
