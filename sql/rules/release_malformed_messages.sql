-- critical: One row per pair that is not one question and one answer, after at most one system text.
with pairs as (
    select pair_id, list_transform(messages, lambda message: message.role) as roles, messages
    from {batch}
)

select pair_id, 'roles ' || array_to_string(roles, ', ') as detail
from pairs
where
    roles not in (['user', 'assistant'], ['system', 'user', 'assistant'])
    or len(list_filter(messages, lambda message: ltrim(coalesce(message.content, ''), e' \n\r\t') = '')) > 0
order by pair_id
