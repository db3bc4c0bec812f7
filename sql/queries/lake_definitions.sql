-- One row per view and macro of the store: its name and the SQL behind it.
select view_name as name, sql
from duckdb_views()
where database_name = 'lake'
union all
select function_name, macro_definition
from duckdb_functions()
where database_name = 'lake'
