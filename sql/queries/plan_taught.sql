-- One row per prompt that this teacher was asked about, in whatever way, or that was answered elsewhere:
-- whether a response is fit to be released, and whether one is awaited, of a batch or of its judges.
select
    asked.prompt_id,
    coalesce(bool_or(offered.fit and offered.verdict is distinct from 'wrong'), false) as fit,
    bool_or(asked.response_id is null or coalesce(offered.awaited, false)) as awaited
from (
    select prompt_id, response_id
    from responses
    where role = 'teacher' and (model = $writer or (server = 'import' and template is distinct from 'adopted'))
    union all
    select prompt_id, null as response_id
    from held_requests
    where role = 'teacher'
) as asked
left join offered_responses($writer, $only_correct, $text_rules, '', 'g') as offered
    on asked.prompt_id = offered.prompt_id and asked.response_id = offered.response_id
group by asked.prompt_id
