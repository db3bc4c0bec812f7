-- One row per usable seed in a range of ids that the rules cannot place and that this router was not
-- heard on, by this template, since these rules are in force.
select
    prompts.prompt_id, prompts.text, prompts.choices, prompts.answer, prompts.answer_type,
    routes.route, routes.doubt
from routes
inner join prompts on routes.prompt_id = prompts.prompt_id
semi join (
    select prompt_id from spendable_prompts where prompt_id >= $low and prompt_id < $high
) as spendable on prompts.prompt_id = spendable.prompt_id
semi join scoped_prompts($low, $high, $scope_domains, $scope_bounds, $scope_otherwise) as scoped
    on prompts.prompt_id = scoped.prompt_id
where
    routes.version = $version
    and routes.response_id is null
    and routes.doubt is not null
    and routes.prompt_id >= $low
    and routes.prompt_id < $high
    and not exists (
        select 1
        from routes as heard
        where
            heard.prompt_id = routes.prompt_id
            and heard.prompt_id >= $low
            and heard.prompt_id < $high
            and heard.version = $version
            and heard.model = $model
            and heard.template = $template
    )
    and not exists (
        select 1
        from failures
        where
            failures.prompt_id = routes.prompt_id
            and failures.prompt_id >= $low
            and failures.prompt_id < $high
            and failures.role = 'router'
            and failures.model = $model
            and failures.template = $template
            and list_contains($permanent, failures.failure)
    )
order by prompts.prompt_id
