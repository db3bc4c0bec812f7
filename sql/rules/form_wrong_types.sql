-- critical: Every column is of a released row's type.
select
    null::varchar as pair_id,
    found.column_name || ' is ' || found.column_type || ', expected ' || expected_columns.type as detail
from (describe select * from pairs) as found
inner join expected_columns on found.column_name = expected_columns.name
where found.column_type <> expected_columns.type
order by found.column_name
