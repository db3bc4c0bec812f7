-- warning: Of each model's responses in a role, at most one in ten ran into its ceiling.
select
    null::varchar as response_id,
    model || ' as ' || role || ': ' || count(*) filter (finish_reason = 'length') || ' of ' || count(*) as detail
from responses
group by model, role
having count(*) filter (finish_reason = 'length') > 0.1 * count(*)
order by detail
