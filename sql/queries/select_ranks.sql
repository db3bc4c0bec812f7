-- One row per prompt that a rubric ranks: the mean score of its votes.
select
    prompt_id,
    avg(score) as rubric
from ratings
where response_id is null and rubric in (select unnest($rubrics::varchar[]))
group by prompt_id
