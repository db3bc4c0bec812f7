-- critical: No validation pair's prompt or seed is a duplicate of one that there are pairs of to train on.
with relatives as (
    select pair_id, split, root_id, prompt_id as relative from measured
    union
    select pair_id, split, root_id, root_id from measured
),

clustered as (
    select
        relatives.pair_id,
        relatives.split,
        relatives.root_id,
        expected_clusters.cluster
    from relatives
    inner join expected_clusters on relatives.relative = expected_clusters.prompt_id
)

select distinct held_out.pair_id, 'cluster ' || held_out.cluster || ' is in train too' as detail
from clustered as held_out
inner join clustered as trained
    on held_out.cluster = trained.cluster and held_out.root_id <> trained.root_id
where held_out.split = 'validation' and trained.split = 'train'
order by all
