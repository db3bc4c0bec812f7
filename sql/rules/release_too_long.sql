-- critical: No conversation is longer than the recipe's `max_tokens`.
select
    pair_id,
    tokens || if(getvariable('tokenizer') is null, ' tokens (characters / 4)', ' tokens')
    || ', at most ' || getvariable('max_tokens') || ' are allowed' as detail
from token_counts
where tokens > getvariable('max_tokens')
order by pair_id
