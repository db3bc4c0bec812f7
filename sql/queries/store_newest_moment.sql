-- One row: a moment that no row of the store is later than. Snapshots have the clock's of their
-- commit; rows of a run that found the clock set back are stamped by its start, and there are far
-- fewer than a million of them, a microsecond apart.
select max(moment) as newest
from (
    select max(snapshot_time) as moment from ducklake_snapshots('lake')
    union all
    select max(started_at) + interval 1 second from runs
)
