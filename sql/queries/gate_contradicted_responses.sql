-- One row per teacher response that two verifiers, each in its newest version, disagree about. A
-- judge is asked to overrule another: where the last word is its own, it is no disagreement, and
-- where it is not, the judge was taken back or has to speak again.
with newest as (
    select grades.response_id, grades.verifier, grades.verdict, grades.created_at
    from grades
    inner join responses on grades.response_id = responses.response_id
    inner join current_keys
        on responses.prompt_id = current_keys.prompt_id and grades.key_id = current_keys.key_id
    where responses.role = 'teacher'
    qualify row_number() over (
        partition by grades.response_id, grades.verifier
        order by grades.version desc, grades.created_at desc, grades.attempt desc
    ) = 1
)

select response_id
from newest
where verdict in ('correct', 'wrong')
group by response_id
having
    count(distinct verdict) filter (where verifier <> 'judge') > 1
    and arg_max(verifier, created_at) <> 'judge'
order by response_id
