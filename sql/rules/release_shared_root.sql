-- critical: No validation pair's seed has pairs to train on.
select measured.pair_id, 'seed ' || measured.root_id || ' is in train too' as detail
from measured
where
    measured.split = 'validation'
    and measured.root_id in (select trained.root_id from measured as trained where trained.split = 'train')
order by measured.pair_id
