-- One row per Parquet file in the data folder, with its size and when it was written.
select filename as path, size, last_modified
from read_blob($pattern)
order by path;
