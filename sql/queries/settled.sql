-- One row if a stage was through with these settings and no row of what it read came or went since.
--
-- A snapshot that has expired cannot say what came after it.
with went_through as (
    select tables, snapshot, outcome, created_at
    from settled
    where stage = $stage and settings = $settings
    order by created_at desc
    limit 1
),

changed as (
    select unnest(flatten(map_values(snapshots.changes))) as table_id
    from ducklake_snapshots('lake') as snapshots
    cross join went_through
    where snapshots.snapshot_id > went_through.snapshot
)

select outcome, created_at
from went_through
where
    snapshot in (select snapshot_id from ducklake_snapshots('lake'))
    and not exists (
        select 1
        from changed
        inner join ducklake_table_info('lake') as info on changed.table_id = info.table_id::varchar
        where list_contains(went_through.tables, info.table_name)
    )
