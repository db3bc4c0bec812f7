-- One row per hit in the declared benchmarks on a text that this screen has not compared yet.
select
    coalesce(response_id, prompt_id) as text_id,
    item_id,
    benchmark,
    method
from current_contamination
where
    score > 0
    and method <> 'embedding'
    and list_contains($benchmarks::varchar[], benchmark)
    and not exists (
        select 1
        from screened
        where
            screened.text_id = coalesce(current_contamination.response_id, current_contamination.prompt_id)
            and screened.screen = $screen
    )
