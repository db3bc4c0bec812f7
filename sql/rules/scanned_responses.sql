-- One row per response of the teacher that was not scanned yet: what the gate's rules on guidelines will find in it.
with texts as (
    select
        responses.prompt_id,
        responses.response_id,
        responses.reasoning as thought,
        responses.content as response,
        true as marked,
        ' ' || regexp_replace(
            lower(concat_ws(' ', prompts.text, responses.reasoning, responses.content)),
            '[^\p{L}\p{N}]+', ' ', 'g'
        ) || ' ' as spoken
    from responses
    inner join prompts on responses.prompt_id = prompts.prompt_id
    left join current_objections
        on
            responses.prompt_id = current_objections.prompt_id
            and responses.response_id = current_objections.response_id
            and current_objections.source = 'guidelines'
    where
        responses.role = 'teacher'
        and (responses.model = $writer or responses.server = 'import')
        and current_objections.version is distinct from $version
)

select
    prompt_id,
    response_id,
    {repeated} as repeated,
    {told} as told
from texts
order by prompt_id, response_id
