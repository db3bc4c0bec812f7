-- One row: how many of the responses of sql/queries/select_unscreened_responses.sql there are.
select count(*)::bigint as texts
from responses
anti join compared_texts($screen, $benchmarks) as compared on responses.response_id = compared.text_id
where
    responses.role = 'teacher'
    or responses.response_id in (select chosen_id from release_preferences)
    or responses.response_id in (select rejected_id from release_preferences)
