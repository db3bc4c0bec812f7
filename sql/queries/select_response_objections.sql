-- One row per prompt of which every response of the teacher is objected to: the commonest reason.
with objected as (
    select prompt_id, response_id, min_by(reason, source) as reason, min_by(detail, source) as detail
    from current_objections
    where response_id is not null and reason is not null
    group by prompt_id, response_id
),

counted as (
    select
        responses.prompt_id,
        count(*) as responses,
        count(objected.response_id) as objections,
        mode(objected.reason order by objected.reason) as reason,
        min(objected.detail) as detail
    from responses
    left join objected
        on responses.prompt_id = objected.prompt_id and responses.response_id = objected.response_id
    where
        responses.role = 'teacher' and (responses.model = $writer or responses.server = 'import')
    group by responses.prompt_id
)

select
    prompt_id,
    reason as response_objection,
    'all of ' || responses || ' responses are objected to, e.g. ' || detail as response_detail
from counted
where objections = responses
