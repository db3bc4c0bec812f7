-- One row per benchmark: its items, the prompts set aside for them and an example of the words.
with items as (
    select benchmark, count(*)::bigint as items
    from benchmark_items
    group by benchmark
),

hits as (
    select
        benchmark,
        count(distinct prompt_id)::bigint as prompts,
        string_agg(distinct method, ', ' order by method) as methods,
        first(span order by score desc, item_id) as example
    from tainting
    group by benchmark
)

select
    coalesce(items.benchmark, hits.benchmark) as benchmark,
    coalesce(items.items, 0) as items,
    coalesce(hits.prompts, 0) as prompts,
    hits.methods,
    left(hits.example, 200) as example
from items
full join hits on items.benchmark = hits.benchmark
order by benchmark
