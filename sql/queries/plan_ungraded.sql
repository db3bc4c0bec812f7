-- One row per prompt with a student's response that has no verdict on the present key yet.
select distinct responses.prompt_id
from responses
inner join current_keys on responses.prompt_id = current_keys.prompt_id
where
    responses.role = 'student'
    and responses.model = $model
    and not exists (
        select 1
        from grades
        where
            grades.response_id = responses.response_id and grades.key_id = current_keys.key_id
    )
