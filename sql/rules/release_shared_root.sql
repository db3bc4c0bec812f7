-- critical: One row per validation pair whose seed also has pairs to train on.
with pairs as (select pair_id, root_id, split from {batch}),

trained as (
    select distinct root_id
    from pairs
    where split = 'train'
)

select pairs.pair_id, 'seed ' || pairs.root_id || ' is in train too' as detail
from pairs
inner join trained on pairs.root_id = trained.root_id
where pairs.split = 'validation'
order by pairs.pair_id
