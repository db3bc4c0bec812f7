-- warning: Of each file's rows, at most one in twenty was set aside.
with rows_of_files as (
    select uri, row_number, false as bad from prompt_sources
    union
    select uri, row_number, true as bad from quarantine where purpose = 'seed'
)

select
    null::varchar as prompt_id,
    uri || ': ' || count(*) filter (bad) || ' of ' || count(*) || ' rows' as detail
from rows_of_files
group by uri
having count(*) filter (bad) > 0.05 * count(*)
order by uri
