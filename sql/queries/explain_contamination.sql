-- One row per benchmark item that a prompt overlaps with.
select
    contamination.benchmark, contamination.item_id, contamination.method, contamination.score,
    contamination.span, benchmark_items.text as item
from contamination
left join benchmark_items on contamination.item_id = benchmark_items.item_id
where contamination.prompt_id = $prompt_id
order by contamination.score desc, contamination.item_id;
