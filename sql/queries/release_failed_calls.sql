-- One row per message of the three that most calls without a response have failed with, of the models
-- that the recipe names ($roles, $models).
with named as (
    select
        unnest($roles::varchar[]) as role,
        unnest($models::varchar[]) as model
)

select failures.role, failures.model, failures.message, count(*) as calls
from failures
where
    (failures.role, failures.model) in (select (role, model) from named)
    and not exists (
        select 1
        from responses
        where responses.response_id = failures.response_id
    )
group by all
order by calls desc, failures.message
limit 3
