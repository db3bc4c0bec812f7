-- One row per pair whose comparison in force is evidence, or takes back what an earlier one has said.
with in_force as (
    select unnest($benchmarks::varchar[]) as benchmark, unnest($screens::varchar[]) as screen
),

past as (
    select prompt_id, item_id, benchmark
    from current_contamination
    where method = 'embedding' and score > 0
)

select
    near_items.prompt_id,
    near_items.item_id,
    near_items.benchmark,
    comparisons.score,
    comparisons.detail
from in_force
inner join near_items on in_force.screen = near_items.screen
inner join comparisons
    on
        near_items.prompt_id = comparisons.prompt_id
        and near_items.item_id = comparisons.item_id
        and near_items.screen = comparisons.screen
left join past on near_items.prompt_id = past.prompt_id and near_items.item_id = past.item_id
where comparisons.score > 0 or past.item_id is not null
union all
select
    past.prompt_id,
    past.item_id,
    past.benchmark,
    0.0 as score,
    'not among the nearest any more' as detail
from past
inner join in_force on past.benchmark = in_force.benchmark
inner join screened on past.prompt_id = screened.text_id and in_force.screen = screened.screen
anti join near_items
    on
        past.prompt_id = near_items.prompt_id
        and past.item_id = near_items.item_id
        and in_force.screen = near_items.screen
order by prompt_id, item_id
