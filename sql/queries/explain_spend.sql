-- One row per role: what a prompt's own calls cost, without those that made it and without those
-- that made others of it.
select
    role, sum(calls)::bigint as calls, sum(prompt_tokens) as prompt_tokens,
    sum(completion_tokens) as completion_tokens, sum(cost_usd) as cost_usd,
    count(*) filter (where cost_usd is null) as unpriced
from spend
where prompt_id = $prompt_id and role <> 'rewriter'
group by role
order by role;
