-- critical: The columns are those of a released row, in order.
with found as (
    select column_name as name, row_number() over () as place
    from (describe select * from pairs)
)

select
    null::varchar as pair_id,
    'column ' || coalesce(found.place, expected_columns.place) || ' is '
    || coalesce(found.name, 'missing') || ', expected ' || coalesce(expected_columns.name, 'none') as detail
from found
full join expected_columns on found.place = expected_columns.place
where found.name is distinct from expected_columns.name
order by coalesce(found.place, expected_columns.place)
