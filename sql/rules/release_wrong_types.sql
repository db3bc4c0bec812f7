-- critical: One row per column that is of another type than a released row's.
with found as (
    select column_name, column_type
    from (describe select * from {batch})
)

select
    null::varchar as pair_id,
    found.column_name || ' is ' || found.column_type || ', expected ' || expected_columns.type as detail
from found
inner join expected_columns on found.column_name = expected_columns.name
where found.column_type <> expected_columns.type
order by found.column_name
