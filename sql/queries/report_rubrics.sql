-- One row per rubric in force and judge: how often it was asked, what it gave on the mean, what came of it.
select
    rubric,
    judge,
    ratings::bigint as ratings,
    subjects::bigint as subjects,
    mean_score,
    screened::bigint as screened,
    objected_to::bigint as objected_to
from ratings_by_rubric
where template in (select unnest($templates::varchar[]))
order by rubric, judge
