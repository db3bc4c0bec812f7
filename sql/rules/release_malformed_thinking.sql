-- critical: One row per pair whose reasoning is not one closed, filled block at the response's start.
with responses as (
    select pair_id, messages[-1].content as response
    from {batch}
),

thinking as (
    select pair_id, response
    from responses
    where contains(response, '<think>') or contains(response, '</think>')
)

select pair_id, left(response, 60) as detail
from thinking
where
    response not like e'<think>\n%\n</think>\n\n%'
    or response like '_%<think>%'
    or response like '%</think>%</think>%'
    or regexp_matches(left(response, 200), '^<think>\s*</think>')
order by pair_id
