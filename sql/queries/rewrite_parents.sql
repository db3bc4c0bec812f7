-- One row per seed in a range of ids that may be rewritten, with what was asked and accepted of it.
with outcomes as (
    select prompt_id, form, sample_index
    from responses
    where role = 'rewriter' and model = $model
    union
    select prompt_id, form, sample_index
    from failures
    where role = 'rewriter' and model = $model and list_contains($permanent, failure)
),

asked as (
    select
        prompt_id,
        list(form) as forms
    from outcomes
    where prompt_id >= $low and prompt_id < $high
    group by prompt_id
),

made as (
    select
        root_id,
        count(*) as rewrites
    from prompts
    where
        kind = 'rewrite'
        and root_id >= $low
        and root_id < $high
        and prompt_id not in (select withdrawn_prompts.prompt_id from withdrawn_prompts)
    group by root_id
)

select
    prompts.prompt_id,
    prompts.root_id,
    prompts.domain,
    prompts.text,
    prompts.choices,
    coalesce(mended.answer, prompts.answer) as answer,
    coalesce(mended.answer_type, prompts.answer_type) as answer_type,
    prompts.program,
    prompts.reference,
    prompts.tests,
    placed.route,
    coalesce(asked.forms, []) as asked_forms,
    coalesce(made.rewrites, 0)::bigint as rewrites
from prompts
semi join (
    select prompt_id from spendable_prompts where prompt_id >= $low and prompt_id < $high
) as spendable on prompts.prompt_id = spendable.prompt_id
semi join scoped_prompts($low, $high, $scope_domains, $scope_bounds, $scope_otherwise) as scoped
    on prompts.prompt_id = scoped.prompt_id
left join current_routes as placed
    on prompts.prompt_id = placed.prompt_id and placed.decided_by = 'model'
left join current_mended_answers as mended on prompts.prompt_id = mended.prompt_id
left join asked on prompts.prompt_id = asked.prompt_id
left join made on prompts.prompt_id = made.root_id
where
    prompts.kind = 'seed'
    and prompts.prompt_id >= $low
    and prompts.prompt_id < $high
order by prompts.prompt_id
