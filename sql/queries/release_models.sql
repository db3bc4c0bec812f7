-- One row per role and model whose responses the prompts of the store have.
select
    role,
    coalesce(resolved_model, model) as model,
    bool_or(coalesce(simulated, false)) as simulated
from responses
group by all
order by all
