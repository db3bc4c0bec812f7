-- One row per whole response of the teacher on a domain's prompt in a range of ids that a judge has
-- not rated so often as it should. One that gives its guidelines away is not worth asking about.
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
    responses.prompt_id,
    responses.response_id,
    prompts.text,
    prompts.choices,
    responses.content as response,
    case when prompts.answer_type = 'open' then prompts.answer end as reference
from responses
inner join prompts on responses.prompt_id = prompts.prompt_id
left join rated on responses.response_id = rated.response_id
where
    responses.role = 'teacher'
    and (responses.model = $teacher or responses.server = 'import')
    and responses.finish_reason is distinct from 'length'
    and regexp_matches(coalesce(responses.content, ''), '\S')
    and prompts.domain = $domain
    and responses.prompt_id >= $low
    and responses.prompt_id < $high
    and right(responses.prompt_id, 8) < $share_below
    and coalesce(rated.votes, 0) < $votes
    and not exists (
        select 1
        from current_objections
        where
            current_objections.prompt_id = responses.prompt_id
            and current_objections.response_id = responses.response_id
            and current_objections.source = 'guidelines'
            and current_objections.reason is not null
    )
order by responses.prompt_id, responses.response_id
