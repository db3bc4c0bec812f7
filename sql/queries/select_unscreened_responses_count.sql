-- One row: how many teacher's responses this screen has yet to compare with the benchmarks.
select count(*)::bigint as texts
from responses
anti join compared_texts($screen, $benchmarks) as compared on responses.response_id = compared.text_id
where responses.role = 'teacher'
