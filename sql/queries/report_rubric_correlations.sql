-- One row per rubric in force and domain: how far its score and a student's measured pass rate rank alike.
select
    rubric,
    domain,
    prompts::bigint as prompts,
    spearman
from rubric_correlations
where
    student = $student
    and not isnan(spearman)
    and template in (select unnest($templates::varchar[]))
order by rubric, domain
