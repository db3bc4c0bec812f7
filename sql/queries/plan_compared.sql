-- One row: prompts and benchmarks compared by embeddings under these comparisons, and near pairs found.
select
    (select count(*) from screened where list_contains($screens::varchar[], screen))::bigint as compared,
    (select count(*) from near_items where list_contains($screens::varchar[], screen))::bigint as pairs
