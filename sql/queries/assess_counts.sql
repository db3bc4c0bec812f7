-- One row is a prompt and a student, with the verdicts on that student's responses counted.
select
    responses.prompt_id,
    responses.model as student,
    current_grades.key_id,
    count(*) filter (where current_grades.verdict = 'correct')::integer as correct,
    count(*) filter (where current_grades.verdict = 'wrong')::integer as wrong,
    count(*) filter (where current_grades.verdict = 'truncated')::integer as truncated,
    count(*) filter (where current_grades.verdict = 'unverifiable')::integer as unverifiable
from current_grades
inner join responses on current_grades.response_id = responses.response_id
where responses.role = 'student'
group by all
