-- One row per item of the declared benchmarks: the texts that no prompt may hold.
select item_id, benchmark, text, choices
from benchmark_items
where list_contains($benchmarks::varchar[], benchmark)
order by benchmark, item_id
