-- One row per file that the catalog knows: of rows or of deletions, current, of an older snapshot,
-- or waiting to be removed. The path begins at the data folder where `relative`.
with places as (
    select distinct
        tables.table_id, tables.table_name,
        schemas.path || tables.path as folder
    from __ducklake_metadata_lake.ducklake_table as tables
    inner join __ducklake_metadata_lake.ducklake_schema as schemas
        on tables.schema_id = schemas.schema_id
),

files as (
    select table_id, path, path_is_relative, file_size_bytes, end_snapshot
    from __ducklake_metadata_lake.ducklake_data_file
    union all
    select table_id, path, path_is_relative, file_size_bytes, end_snapshot
    from __ducklake_metadata_lake.ducklake_delete_file
)

select
    places.table_name,
    if(files.path_is_relative::boolean, places.folder || files.path, files.path) as path,
    files.path_is_relative::boolean as relative,
    files.file_size_bytes as size,
    files.end_snapshot is null as current
from files
inner join places on files.table_id = places.table_id
union all
select null, path, path_is_relative::boolean, null, false
from __ducklake_metadata_lake.ducklake_files_scheduled_for_deletion
order by path;
