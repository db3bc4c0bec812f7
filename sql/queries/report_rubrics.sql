-- One row per rubric and judge: how often it was asked, what it gave on the mean, what came of it.
select
    rubric,
    judge,
    ratings::bigint as ratings,
    subjects::bigint as subjects,
    mean_score,
    screened::bigint as screened,
    objected_to::bigint as objected_to
from ratings_by_rubric
order by rubric, judge
