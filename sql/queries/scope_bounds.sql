-- One row per domain: the mark that bounds the sample of so many of its seeds.
with marked as (
    select coalesce(domain, 'none') as domain, md5(coalesce(root_id, '')) as mark
    from spendable_prompts
    where kind = 'seed'
),

placed as (
    select domain, mark, row_number() over (partition by domain order by mark) as place
    from marked
)

select domain, max(mark) as bound
from placed
where place <= $roots
group by domain
order by domain
