-- One row: how many teachers' responses may be released that these rules on texts have not looked at.
select count(*)::bigint as responses
from teacher_responses
inner join current_decisions
    on teacher_responses.prompt_id = current_decisions.prompt_id and current_decisions.policy = $policy
where
    teacher_responses.usable
    and (teacher_responses.model = $teacher or teacher_responses.server = 'import')
    and (teacher_responses.verdict = 'correct' or not $only_correct)
    and (current_decisions.kept or current_decisions.stage = 'teach')
    and not exists (
        select 1
        from screened
        where screened.text_id = teacher_responses.response_id and screened.screen = $text_rules
    )
