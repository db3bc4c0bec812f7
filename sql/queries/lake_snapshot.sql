-- One row: the newest snapshot of the store, as `select … from prompts at (version => …)` names it.
select snapshot_id as snapshot, snapshot_time::varchar as taken_at
from ducklake_snapshots('lake')
order by snapshot_id desc
limit 1
