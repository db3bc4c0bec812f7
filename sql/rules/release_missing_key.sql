-- critical: One row per pair without a key to check its answer against.
with pairs as (select pair_id, key from {batch})

select pair_id, 'no key' as detail
from pairs
where ltrim(coalesce(key, ''), e' \n\r\t') = ''
order by pair_id
