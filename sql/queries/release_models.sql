-- One row per role and model that had a part in a release: whom the recipe names ($roles, $models),
-- who wrote a prompt or a released response ($teachers), whose votes were brought from elsewhere.
-- Others that the store has asked, a student measured on the side, say, had none.
with named as (
    select
        unnest($roles::varchar[]) as role,
        unnest($models::varchar[]) as model
)

select
    role,
    coalesce(resolved_model, model) as model,
    bool_or(coalesce(simulated, false)) as simulated
from responses
where
    (role, model) in (select (role, model) from named)
    or (role = 'rewriter' and response_id in (select prompts.made_by from prompts))
    or (
        role = 'teacher'
        and list_contains($teachers::varchar[], coalesce(resolved_model, model))
    )
    or (role = 'reference' and server = 'import')
group by all
order by all
