-- What does an accepted rewrite cost? One row per strategy, domain and rewriter; what was refused is
-- paid for by what was accepted.
select
    strategy,
    domain,
    model,
    sum(rewrites)::bigint as replies,
    coalesce(sum(rewrites) filter (accepted), 0)::bigint as accepted_rewrites,
    round(accepted_rewrites / replies, 3) as accepted_share,
    max_by(reason, rewrites) filter (not accepted) as most_frequent_refusal,
    round(sum(rewriter_usd + confirmation_usd), 4) as usd,
    round(usd / nullif(accepted_rewrites, 0), 5) as usd_per_accepted
from rewrite_accounts
group by strategy, domain, model
order by strategy, domain, model;
