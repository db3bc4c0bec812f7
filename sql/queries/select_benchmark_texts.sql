-- One row per benchmark item: the texts that no prompt may hold.
select item_id, benchmark, text, choices
from benchmark_items
order by benchmark, item_id
