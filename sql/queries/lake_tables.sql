-- One row per table of the store: its name.
select table_name as name
from ducklake_table_info('lake')
