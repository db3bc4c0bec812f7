-- warning: Of the rows of each file that the recipe names, at most one in twenty was set aside.
with rows_of_files as (
    select uri, row_number, false as bad from current_sources
    union
    select uri, row_number, true as bad
    from quarantine
    where
        purpose = 'seed'
        and uri not in (select uri from current_seed_files where state = 'gone' and uri is not null)
)

select
    null::varchar as prompt_id,
    uri || ': ' || count(distinct row_number) filter (bad)
    || ' of ' || count(distinct row_number) || ' rows' as detail
from rows_of_files
group by uri
having count(distinct row_number) filter (bad) > 0.05 * count(distinct row_number)
order by uri
