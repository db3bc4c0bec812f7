-- One row per prompt with an embedding, and whether this comparison has looked for its neighbours.
select
    embeddings.text_id as prompt_id,
    embeddings.vector,
    screened.text_id is not null as is_searched
from embeddings
inner join prompts on embeddings.text_id = prompts.prompt_id
left join screened on embeddings.text_id = screened.text_id and screened.screen = $screen
where embeddings.embedder = $embedder and (not $only_new or screened.text_id is null)
