-- One row per word on what kind of task a seed is, the one that counts first.
select
    routes.route, routes.rule, routes.version, routes.doubt,
    coalesce(routes.decided_by, 'rule') as decided_by,
    routes.model, routes.template, routes.reason, routes.response_id, routes.created_at,
    current_routes.prompt_id is not null as counts
from routes
left join current_routes
    on
        routes.prompt_id = current_routes.prompt_id
        and routes.version = current_routes.version
        and routes.response_id is not distinct from current_routes.response_id
where routes.prompt_id = $prompt_id
order by counts desc, routes.version desc, routes.created_at desc
