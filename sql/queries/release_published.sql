-- One row if a release is recorded: its version, its pairs and how many of them are for validation.
select
    releases.version,
    (select count(*) from release_pairs where release_id = releases.release_id)::bigint as pairs,
    (
        select count(*)
        from release_pairs
        where release_id = releases.release_id and split = 'validation'
    )::bigint as validation_pairs
from releases
where releases.release_id = $release_id
