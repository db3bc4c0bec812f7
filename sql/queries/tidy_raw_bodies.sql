-- One row: raw bodies of responses and failures that are older than they are to be kept.
select count(*) as bodies
from (
    select created_at from responses where raw_body is not null
    union all
    select created_at from failures where raw_body is not null
)
where created_at < $before;
