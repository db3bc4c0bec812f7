-- What is in the newest release? The first twenty of its pairs, to read through.
-- teachset explain PAIR_ID tells where one of them comes from; the view `pairs` has them all.
with newest as (
    select release_id
    from latest_releases
    order by created_at desc
    limit 1
),

shown as materialized (
    select release_pairs.pair_id, release_pairs.split, release_pairs.prompt_id, release_pairs.response_id
    from release_pairs
    semi join newest on release_pairs.release_id = newest.release_id
    order by release_pairs.pair_id
    limit 20
),

asked as (
    select prompt_id, domain, kind, text
    from prompts
    where prompt_id in (select prompt_id from shown)
),

answered as (
    select responses.prompt_id, responses.response_id, responses.content
    from responses
    semi join shown
        on
            responses.prompt_id = shown.prompt_id
            and responses.response_id = shown.response_id
)

select
    shown.pair_id,
    shown.split,
    asked.domain,
    asked.kind,
    asked.text as prompt,
    answered.content as response
from shown
inner join asked on shown.prompt_id = asked.prompt_id
inner join answered
    on shown.prompt_id = answered.prompt_id and shown.response_id = answered.response_id
order by shown.pair_id;
