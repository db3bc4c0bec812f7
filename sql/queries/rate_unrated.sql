-- One row per whole response of the teacher on a domain's prompt that none of the judges in force
-- has rated on a rubric though it should be.
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
        where
            ratings.template = $template
            and ratings.judge in (select unnest($judges::varchar[]))
            and ratings.vote < $votes
            and ratings.response_id is not null
    )
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
