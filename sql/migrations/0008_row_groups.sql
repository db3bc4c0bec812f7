-- Parquet is read a row group at a time and by every thread: at DuckDB's 122,880 rows of long
-- answers that is gigabytes, and a range of ids reads all of a group for a few of its rows.
call lake.set_option('parquet_row_group_size', 20480);
