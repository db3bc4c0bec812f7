-- One row per hit in the declared benchmarks on a text that this screen has yet to compare.
with hits as (
    select coalesce(response_id, prompt_id) as text_id, item_id, benchmark, method
    from current_contamination
    where
        score > 0
        and method <> 'embedding'
        and list_contains($benchmarks::varchar[], benchmark)
)

select hits.text_id, hits.item_id, hits.benchmark, hits.method
from hits
anti join compared_texts($screen, $benchmarks) as compared on hits.text_id = compared.text_id
