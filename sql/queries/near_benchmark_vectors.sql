-- One row per item of a benchmark that has an embedding.
select embeddings.text_id as item_id, embeddings.vector
from embeddings
inner join benchmark_items on embeddings.text_id = benchmark_items.item_id
where embeddings.embedder = $embedder and benchmark_items.benchmark = $benchmark
order by item_id
