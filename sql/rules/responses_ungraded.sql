-- critical: Every response of the student and the reference on a prompt with a key has a verdict on that key.
select responses.response_id, 'no verdict' as detail
from responses
inner join current_keys on responses.prompt_id = current_keys.prompt_id
inner join prompts on responses.prompt_id = prompts.prompt_id
left join current_grades on responses.response_id = current_grades.response_id
where
    responses.role in ('student', 'reference')
    and current_keys.answer_type <> 'open'
    and current_grades.response_id is null
order by responses.response_id
