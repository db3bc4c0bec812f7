-- One row is how many responses have a verdict of one version of a verifier and of another.
with words as (
    select
        response_id,
        key_id,
        arg_max(verdict, created_at) filter (
            verifier = $first_name and version = $first_version
        ) as first_verdict,
        arg_max(verdict, created_at) filter (
            verifier = $second_name and version = $second_version
        ) as second_verdict
    from grades
    where
        (verifier = $first_name and version = $first_version)
        or (verifier = $second_name and version = $second_version)
    group by response_id, key_id
)

select first_verdict, second_verdict, count(*) as responses
from words
group by all
order by responses desc, first_verdict, second_verdict
