-- One row per response of the teacher on a domain's prompt in a range of ids that a judge has not
-- rated so often as it should.
with rated as (
    select
        response_id,
        count(*) as votes
    from ratings
    where
        template = $template
        and judge = $judge
        and vote < $votes
        and prompt_id >= $low
        and prompt_id < $high
    group by response_id
)

select
    subjects.prompt_id,
    subjects.response_id,
    subjects.text,
    subjects.choices,
    subjects.content as response,
    case when subjects.answer_type = 'open' then subjects.answer end as reference
from rateable_responses as subjects
left join rated on subjects.response_id = rated.response_id
where
    (subjects.model = $writer or subjects.server = 'import')
    and subjects.domain = $domain
    and subjects.prompt_id >= $low
    and subjects.prompt_id < $high
    and right(subjects.prompt_id, 8) < $share_below
    and coalesce(rated.votes, 0) < $votes
order by subjects.prompt_id, subjects.response_id
