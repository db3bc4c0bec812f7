-- One row per teacher's response in a range of prompts that may be released and that these rules on
-- texts have not looked at yet.
select
    offered.response_id as text_id,
    prompts.text,
    prompts.choices,
    prompts.answer_type,
    prompts.domain,
    responses.content,
    responses.reasoning
from offered_responses($writer, $only_correct, $text_rules, $low, $high) as offered
inner join current_decisions
    on offered.prompt_id = current_decisions.prompt_id and current_decisions.policy = $policy
inner join prompts on offered.prompt_id = prompts.prompt_id
inner join responses
    on
        offered.response_id = responses.response_id
        and responses.role = 'teacher'
        and responses.prompt_id >= $low
        and responses.prompt_id < $high
where
    offered.ours
    and offered.eligible
    and current_decisions.prompt_id >= $low
    and current_decisions.prompt_id < $high
    and prompts.prompt_id >= $low
    and prompts.prompt_id < $high
    and (current_decisions.kept or current_decisions.stage = 'teach')
    and not exists (
        select 1
        from screened
        where screened.text_id = offered.response_id and screened.screen = $text_rules
    )
