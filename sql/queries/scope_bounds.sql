-- One row per domain: the mark that bounds the sample of so many of its seeds.
select domain, max(mark) as bound
from (
    select
        coalesce(domain, 'none') as domain,
        md5(root_id) as mark,
        row_number() over (partition by coalesce(domain, 'none') order by md5(root_id)) as place
    from spendable_prompts
    where kind = 'seed'
)
where place <= $roots
group by domain
order by domain
