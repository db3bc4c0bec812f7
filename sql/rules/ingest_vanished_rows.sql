-- warning: Every row that the newest load of seeds read is a seed, a seed's further source, or quarantined.
with loaded as (
    select rows_read
    from loads
    where purpose = 'seed'
    order by created_at desc
    limit 1
),

-- A file is known by its name without its folder: two copies of one file count once, hence no more
-- than a warning.
kept as (
    select
        (select count(*) from prompt_sources)
        + (select count(distinct quarantine_id) from quarantine where purpose = 'seed') as places
)

select
    null::varchar as prompt_id,
    loaded.rows_read || ' rows read, ' || kept.places || ' accounted for' as detail
from loaded, kept
where loaded.rows_read > kept.places
