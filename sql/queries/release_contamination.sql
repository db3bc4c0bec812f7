-- One row per declared benchmark and method that looked: its items, what was found and set aside.
with items as (
    select benchmark, count(*)::bigint as items
    from benchmark_items
    where list_contains($benchmarks::varchar[], benchmark)
    group by benchmark
)

select
    items.benchmark,
    items.items,
    current_guards.method,
    count(distinct hits.prompt_id) filter (hits.response_id is null)::bigint as prompts,
    count(distinct hits.response_id)::bigint as responses,
    count(distinct coalesce(hits.response_id, hits.prompt_id)) filter (
        hits.score >= current_guards.drops_from
    )::bigint as set_aside
from items
inner join current_guards on items.benchmark = current_guards.benchmark
left join current_contamination as hits
    on
        items.benchmark = hits.benchmark
        and current_guards.method = hits.method
        and hits.score > 0
where list_contains($methods::varchar[], current_guards.method)
group by items.benchmark, items.items, current_guards.method
order by items.benchmark, current_guards.method
