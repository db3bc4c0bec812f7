-- warning: Each domain's share is the one that the recipe's mixture asks for, within a tolerance.
with shares as (
    select domain, count(*) / sum(count(*)) over () as share
    from measured
    group by domain
)

select
    null::varchar as pair_id,
    format(
        '{}: {:.1f} % of the pairs, the recipe asks for {:.1f} %',
        coalesce(expected_mixture.domain, shares.domain, 'no domain'),
        100 * coalesce(shares.share, 0),
        100 * coalesce(expected_mixture.share, 0)
    ) as detail
from expected_mixture
full join shares on expected_mixture.domain = shares.domain
where
    (select count(*) from expected_mixture) > 0
    and abs(coalesce(shares.share, 0) - coalesce(expected_mixture.share, 0))
    > getvariable('mixture_tolerance')
order by detail
