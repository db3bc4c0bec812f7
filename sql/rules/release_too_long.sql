-- critical: No conversation is longer than the recipe's `max_tokens`.
select
    pair_id,
    format(
        '{:,} {}, at most {:,} are allowed',
        tokens,
        if(getvariable('tokenizer') is null, 'tokens (characters / 4)', 'tokens'),
        getvariable('max_tokens')
    ) as detail
from token_counts
where tokens > getvariable('max_tokens')
order by pair_id
