-- One row per prompt with an embedding that this comparison has not looked for near items of.
select embeddings.text_id as prompt_id, embeddings.vector
from embeddings
semi join comparable_prompts on embeddings.text_id = comparable_prompts.prompt_id
where
    embeddings.embedder = $embedder
    and not exists (
        select 1 from screened where screened.text_id = embeddings.text_id and screened.screen = $screen
    )
