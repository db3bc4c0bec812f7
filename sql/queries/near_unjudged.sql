-- One row per prompt in a range of ids and item near it of which no judge has said anything yet.
select
    near_items.prompt_id,
    near_items.item_id,
    near_items.benchmark,
    near_items.similarity,
    near_items.screen,
    comparable_prompts.text,
    comparable_prompts.choices,
    benchmark_items.text as item_text,
    benchmark_items.choices as item_choices
from near_items
inner join comparable_prompts on near_items.prompt_id = comparable_prompts.prompt_id
inner join benchmark_items on near_items.item_id = benchmark_items.item_id
semi join scoped_prompts($low, $high, $scope_domains, $scope_bounds, $scope_otherwise) as scoped
    on near_items.prompt_id = scoped.prompt_id
where
    list_contains($screens::varchar[], near_items.screen)
    and near_items.prompt_id >= $low
    and near_items.prompt_id < $high
    and not exists (
        select 1
        from comparisons
        where
            comparisons.prompt_id = near_items.prompt_id
            and comparisons.prompt_id >= $low
            and comparisons.prompt_id < $high
            and comparisons.item_id = near_items.item_id
            and comparisons.screen = near_items.screen
    )
order by near_items.prompt_id, near_items.item_id
