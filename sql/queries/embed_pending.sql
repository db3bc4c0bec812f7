-- One row per text in a range of ids that has no embedding yet: prompts that are asked about, items.
select comparable_prompts.prompt_id, comparable_prompts.text, comparable_prompts.choices
from comparable_prompts
semi join scoped_prompts($low, $high, $scope_domains, $scope_bounds, $scope_otherwise) as scoped
    on comparable_prompts.prompt_id = scoped.prompt_id
where
    comparable_prompts.prompt_id >= $low
    and comparable_prompts.prompt_id < $high
    and not exists (
        select 1
        from embeddings
        where
            embeddings.text_id = comparable_prompts.prompt_id
            and embeddings.text_id >= $low
            and embeddings.text_id < $high
            and embeddings.embedder = $embedder
    )
union all
select benchmark_items.item_id as prompt_id, benchmark_items.text, benchmark_items.choices
from benchmark_items
where
    list_contains($benchmarks::varchar[], benchmark_items.benchmark)
    and benchmark_items.item_id >= $low
    and benchmark_items.item_id < $high
    and not exists (
        select 1
        from embeddings
        where
            embeddings.text_id = benchmark_items.item_id
            and embeddings.text_id >= $low
            and embeddings.text_id < $high
            and embeddings.embedder = $embedder
    )
order by prompt_id
