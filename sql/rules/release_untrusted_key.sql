-- critical: Every pair's key is trusted.
select measured.pair_id, 'the key of prompt ' || measured.prompt_id || ' waits for a review' as detail
from measured
inner join expected_untrusted on measured.prompt_id = expected_untrusted.prompt_id
order by measured.pair_id
