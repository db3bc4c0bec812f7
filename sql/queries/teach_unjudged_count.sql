-- One row: how many teachers' responses may be released that these rules on texts have not looked at.
select count(*)::bigint as responses
from offered_responses($writer, $only_correct, $text_rules, '', 'g') as offered
inner join current_decisions
    on offered.prompt_id = current_decisions.prompt_id and current_decisions.policy = $policy
where
    offered.ours
    and offered.eligible
    and (current_decisions.kept or current_decisions.stage = 'teach')
    and not exists (
        select 1
        from screened
        where screened.text_id = offered.response_id and screened.screen = $text_rules
    )
