-- critical: One row per pair whose messages another pair has, word for word.
with pairs as (
    -- 64 bits: at 1.4 million pairs a false alarm has a chance below 1e-7.
    select pair_id, hash(messages) as conversation
    from {batch}
),

repeated as (
    select conversation
    from pairs
    group by conversation
    having count(*) > 1
)

select pairs.pair_id, 'the same messages as another pair' as detail
from pairs
inner join repeated on pairs.conversation = repeated.conversation
order by pairs.pair_id
