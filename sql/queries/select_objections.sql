-- One row per prompt that is objected to: by which rubric, why, and what is to become of it.
-- What people have answered for themselves counts before it.
select
    prompt_id,
    source || ': ' || reason as objection,
    source || ': ' || reason || ', ' || detail as objection_detail,
    below as objection_below
from current_objections
where
    response_id is null
    and reason is not null
    and prompt_id not in (
        select current_reviews.prompt_id from current_reviews where current_reviews.refusal is null
    )
qualify row_number() over (partition by prompt_id order by below, source) = 1
