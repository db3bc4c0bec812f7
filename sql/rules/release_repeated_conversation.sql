-- critical: No pair's messages are, word for word, another pair's.
with repeated as (
    -- 64 bits: at 1.4 million pairs a false alarm has a chance below 1e-7.
    select conversation
    from measured
    group by conversation
    having count(*) > 1
)

select measured.pair_id, 'the same messages as another pair' as detail
from measured
inner join repeated on measured.conversation = repeated.conversation
order by measured.pair_id
