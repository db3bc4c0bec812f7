-- critical: Every row that the newest load of seeds read is a seed, a seed's further source, or quarantined.
with loaded as (
    select rows_read
    from loads
    where purpose = 'seed'
    order by created_at desc
    limit 1
),

kept as (
    select count(*) as places
    from (
        select uri, row_number from prompt_sources
        union
        select uri, row_number from quarantine where purpose = 'seed'
    )
)

select
    null::varchar as prompt_id,
    loaded.rows_read || ' rows read, ' || kept.places || ' accounted for' as detail
from loaded, kept
where loaded.rows_read > kept.places
