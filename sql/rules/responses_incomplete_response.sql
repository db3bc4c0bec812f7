-- critical: Every response has an id, a prompt of this store, a known role, a model and a sample's number.
select
    responses.response_id,
    case
        when responses.response_id is null then 'no id'
        when prompts.prompt_id is null then 'its prompt is not there'
        when responses.model is null then 'no model'
        when responses.sample_index is null then 'no number of its sample'
        else 'role ' || coalesce(responses.role, 'missing')
    end as detail
from responses
left join prompts on responses.prompt_id = prompts.prompt_id
where
    coalesce(responses.role not in ('judge', 'embedder'), true)
    and not (responses.role = 'reference' and prompts.prompt_id is null and exists (
        -- A reference confirms a rewrite before it becomes a prompt, and before it is decided.
        select 1 from rewrites where rewrites.prompt_id = responses.prompt_id
        union all
        select 1
        from responses as replies
        where replies.role = 'rewriter' and replies.response_id not in (select rewrites.response_id from rewrites)
    ))
    and (
        responses.response_id is null
        or prompts.prompt_id is null
        or responses.model is null
        or responses.sample_index is null
        or coalesce(
            responses.role not in ('router', 'rewriter', 'reference', 'confirmer', 'student', 'teacher'),
            true
        )
    )
order by responses.response_id
