-- One row per vote of a judge on a prompt or on a response to it.
select
    ratings.response_id, ratings.rubric, ratings.template, ratings.judge, ratings.vote,
    cast(ratings.scores as varchar) as scores, ratings.score, ratings.screened, ratings.reply_id,
    ratings.created_at
from ratings
where ratings.prompt_id = $prompt_id
order by ratings.response_id nulls first, ratings.template, ratings.judge, ratings.vote;
