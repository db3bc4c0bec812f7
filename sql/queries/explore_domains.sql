-- One row per domain: how many seeds there are that may be asked about.
select coalesce(domain, 'none') as domain, count(*)::bigint as roots
from spendable_prompts
where kind = 'seed'
group by all
order by domain
