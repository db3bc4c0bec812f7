-- One row per rubric and domain: how far its score and a student's measured pass rate rank alike.
select
    rubric,
    domain,
    prompts::bigint as prompts,
    spearman
from rubric_correlations
where student = $student and not isnan(spearman)
order by rubric, domain
