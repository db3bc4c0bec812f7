-- critical: A pass rate counts every verdict on the student's responses, once.
with judged as (
    select prompt_id, model as student, key_id, count(*) as verdicts
    from current_grades
    where
        role = 'student'
        and response_id not in (select response_id from superseded_responses)
    group by all
)

select
    null::varchar as response_id,
    'prompt ' || judged.prompt_id || ': ' || judged.verdicts || ' verdicts, counted '
    || coalesce(counted.correct + counted.wrong + counted.truncated + counted.unverifiable, 0) as detail
from judged
left join current_difficulty as counted
    on judged.prompt_id = counted.prompt_id
    and judged.student = counted.student
    and judged.key_id = counted.key_id
where
    judged.verdicts
    <> coalesce(counted.correct + counted.wrong + counted.truncated + counted.unverifiable, 0)
order by judged.prompt_id
