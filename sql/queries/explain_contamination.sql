-- One row per benchmark item that a prompt, or a response to it, overlaps with.
select
    current_contamination.benchmark,
    current_contamination.item_id,
    current_contamination.method,
    current_contamination.score,
    current_contamination.span,
    current_contamination.detail,
    current_contamination.response_id,
    exists (
        select 1
        from tainting
        where
            tainting.prompt_id = current_contamination.prompt_id
            and tainting.response_id is not distinct from current_contamination.response_id
            and tainting.item_id = current_contamination.item_id
            and tainting.method = current_contamination.method
    ) as counts,
    benchmark_items.text as item
from current_contamination
left join benchmark_items on current_contamination.item_id = benchmark_items.item_id
where current_contamination.prompt_id = $prompt_id and current_contamination.score > 0
order by
    counts desc, current_contamination.method, current_contamination.score desc,
    current_contamination.item_id, current_contamination.response_id;
