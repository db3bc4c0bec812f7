-- Withdrawn rewrites are found without ranking every verdict: few replies that made a prompt have
-- ever been refused, and only theirs are looked at. This is asked for every range of prompts.
create or replace view withdrawn_prompts as
with doubted as (
    select distinct prompts.prompt_id, prompts.root_id, prompts.made_by
    from prompts
    inner join rewrites on prompts.made_by = rewrites.response_id
    where
        prompts.kind = 'rewrite'
        and not rewrites.accepted
        and coalesce(rewrites.acceptance, 1) > 0
),

-- Every reply that has proposed one of these prompts, and the last word on it.
concerned as (
    select made_by as response_id from doubted
    union
    select rewrites.response_id
    from rewrites
    semi join doubted on rewrites.prompt_id = doubted.prompt_id
),

last_words as (
    select
        response_id, prompt_id, accepted, reason, detail,
        coalesce(acceptance, 1) as acceptance
    from rewrites
    semi join concerned on rewrites.response_id = concerned.response_id
    qualify row_number() over (
        partition by response_id order by coalesce(acceptance, 1) desc, created_at desc
    ) = 1
)

select
    doubted.prompt_id,
    doubted.root_id,
    last_words.reason,
    last_words.detail,
    last_words.acceptance
from doubted
inner join last_words on doubted.made_by = last_words.response_id
where
    not last_words.accepted
    and last_words.acceptance > 0
    and not exists (
        select 1
        from last_words as other
        where other.prompt_id = doubted.prompt_id and other.accepted
    );
