-- One row per prompt that a rubric in force ranks: the mean score of the votes that count.
with asked as (
    select
        unnest($templates::varchar[]) as template,
        unnest($votes::integer[]) as votes
)

select
    ratings.prompt_id,
    avg(ratings.score) as rubric
from ratings
inner join asked on ratings.template = asked.template and ratings.vote < asked.votes
where ratings.response_id is null and ratings.judge in (select unnest($judges::varchar[]))
group by ratings.prompt_id
