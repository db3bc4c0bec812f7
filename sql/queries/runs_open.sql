-- One row per run that has not said how it ended.
select run_id, flow, host, process_id, started_at
from runs
where state = 'running'
order by started_at;
