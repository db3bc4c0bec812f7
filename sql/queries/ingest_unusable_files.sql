-- One row per seed file of which no row could be used when it was read last, and no prompt comes.
with last_readings as (
    select uri, rows_read
    from read_files
    where purpose = 'seed' and list_contains($uris, uri)
    qualify
        row_number() over (partition by uri order by created_at desc) = 1
        and rows_read > 0
        and rows_read = rows_quarantined
),

faults as (
    select uri, row_number, reason, detail
    from quarantine
    where purpose = 'seed' and uri in (select uri from last_readings)
    qualify row_number() over (partition by uri, row_number order by created_at desc) = 1
),

reasons as (
    select
        uri,
        reason,
        count(*) as rows,
        arg_min(detail, row_number) as detail
    from faults
    group by uri, reason
    qualify row_number() over (partition by uri order by count(*) desc, reason) = 1
)

select
    last_readings.uri,
    last_readings.rows_read,
    reasons.reason,
    reasons.rows,
    reasons.detail
from last_readings
inner join reasons on last_readings.uri = reasons.uri
where last_readings.uri not in (select uri from current_sources where uri is not null)
order by last_readings.uri
