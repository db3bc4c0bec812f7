-- One row per whole response of the teacher on a domain's prompt that no judge has rated on a rubric.
select responses.prompt_id, responses.response_id
from responses
inner join prompts on responses.prompt_id = prompts.prompt_id
where
    responses.role = 'teacher'
    and (responses.model = $teacher or responses.server = 'import')
    and responses.finish_reason is distinct from 'length'
    and regexp_matches(coalesce(responses.content, ''), '\S')
    and prompts.domain = $domain
    and right(responses.prompt_id, 8) < $share_below
    and responses.response_id not in (
        select ratings.response_id
        from ratings
        where ratings.template = $template and ratings.response_id is not null
    )
order by responses.prompt_id, responses.response_id
