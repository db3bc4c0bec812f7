-- One row per small table that has rows in files marked as deleted.
select table_name
from ducklake_table_info('lake')
where delete_file_count > 0 and file_size_bytes <= $most_bytes
order by table_name;
