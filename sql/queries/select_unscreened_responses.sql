-- One row per teacher's response, and per answer that a release has set against another, that this screen has yet to
-- compare with the benchmarks.
select
    responses.response_id as text_id,
    responses.prompt_id,
    responses.response_id,
    concat_ws(' ', responses.reasoning, responses.content) as text,
    null::varchar[] as choices
from responses
anti join compared_texts($screen, $benchmarks) as compared on responses.response_id = compared.text_id
where
    responses.role = 'teacher'
    or responses.response_id in (select chosen_id from release_preferences)
    or responses.response_id in (select rejected_id from release_preferences)
