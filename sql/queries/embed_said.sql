-- One row is an embedding of one of the given texts, as the embedder sent it.
select prompt_id, reuse_key, content, response_id, simulated
from responses
where role = 'embedder' and prompt_id in (select unnest($text_ids::varchar[]))
order by created_at, response_id
