-- One row per teacher's response in a range of prompts that may be released and that these rules on
-- texts have not looked at yet.
select
    teacher_responses.response_id as text_id,
    prompts.text,
    prompts.choices,
    responses.content,
    responses.reasoning
from teacher_responses
inner join current_decisions
    on teacher_responses.prompt_id = current_decisions.prompt_id and current_decisions.policy = $policy
inner join prompts on teacher_responses.prompt_id = prompts.prompt_id
inner join responses
    on
        teacher_responses.response_id = responses.response_id
        and responses.role = 'teacher'
        and responses.prompt_id >= $low
        and responses.prompt_id < $high
where
    teacher_responses.usable
    and teacher_responses.prompt_id >= $low
    and teacher_responses.prompt_id < $high
    and current_decisions.prompt_id >= $low
    and current_decisions.prompt_id < $high
    and prompts.prompt_id >= $low
    and prompts.prompt_id < $high
    and (teacher_responses.model = $teacher or teacher_responses.server = 'import')
    and (teacher_responses.verdict = 'correct' or not $only_correct)
    and (current_decisions.kept or current_decisions.stage = 'teach')
    and not exists (
        select 1
        from screened
        where screened.text_id = teacher_responses.response_id and screened.screen = $text_rules
    )
