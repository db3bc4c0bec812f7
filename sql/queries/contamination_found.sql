-- One row: prompts and responses that a run found to hold an item of a benchmark that counts now.
select
    count(distinct tainting.prompt_id) filter (tainting.response_id is null) as prompts,
    count(distinct tainting.response_id) as responses,
    count(distinct tainting.benchmark) as benchmarks
from tainting
inner join current_contamination as found
    on
        tainting.prompt_id = found.prompt_id
        and tainting.response_id is not distinct from found.response_id
        and tainting.item_id = found.item_id
        and tainting.method = found.method
where found.run_id = $run_id;
