-- One row, if the file has been read to its end: how many rows it has and how many were set aside.
select rows_read, rows_quarantined
from read_files
where file_id = $file_id
