-- One row: the prompts that are not removed, those no money is spent on, and whether a run is under way.
select
    (
        select count(*)
        from prompts
        where kind = 'seed' and root_id not in (select root_id from removed_roots)
    )::bigint as seeds,
    (
        select count(*)
        from prompts
        where kind = 'rewrite' and root_id not in (select root_id from removed_roots)
    )::bigint as rewrites,
    (
        select count(*) from current_duplicates where representative_id <> prompt_id
    )::bigint as duplicates,
    (select count(distinct prompt_id) from current_contamination where score > 0)::bigint as contaminated,
    (select max(started_at)::varchar from runs where state = 'running') as running_since
