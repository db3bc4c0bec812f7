-- One row per message of the three that most calls without a response have failed with.
select failures.role, failures.model, failures.message, count(*) as calls
from failures
where
    not exists (
        select 1
        from responses
        where responses.response_id = failures.response_id
    )
group by all
order by calls desc, failures.message
limit 3
