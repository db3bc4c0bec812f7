-- warning: One row per pair whose seed came without a licence.
with pairs as (select pair_id, licence from {batch})

select pair_id, 'no licence' as detail
from pairs
where licence is null
order by pair_id
