-- One row: how many seeds there are and when the last of them came, which tells them from others.
select
    count(*) as seeds,
    cast(max(created_at) as varchar) as latest
from prompts
where kind = 'seed'
