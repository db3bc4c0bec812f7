-- One row: how many teacher's responses this screen has not compared with the benchmarks yet.
select count(*)::bigint as texts
from responses
where
    role = 'teacher'
    and not exists (
        select 1 from screened where screened.text_id = responses.response_id and screened.screen = $screen
    )
