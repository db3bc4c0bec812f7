-- One row if a release is recorded: its version, its pairs and how many of them are for validation.
select
    releases.version,
    count(pairs.pair_id)::bigint as pairs,
    count(*) filter (pairs.split = 'validation')::bigint as validation_pairs
from releases
left join release_pairs as pairs on releases.release_id = pairs.release_id
where releases.release_id = $release_id
group by releases.version
