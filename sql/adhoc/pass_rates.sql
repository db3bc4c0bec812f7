-- How hard is the pool for the student? One row per domain and tenth of the pass rate.
select
    domain,
    floor(pass_rate * 10) / 10 as pass_rate_from,
    sum(prompts)::bigint as prompts,
    bar(sum(prompts), 0, max(sum(prompts)) over (), 30) as picture
from pass_rates
where pass_rate is not null
group by domain, pass_rate_from
order by domain, pass_rate_from;
