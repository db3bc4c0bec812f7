-- One row per book of the store: two counts of one thing that are the same if nothing vanished.
select
    'prompts that were decided on' as book,
    (select count(*) from prompts)::double as expected,
    (select count(*) from current_decisions where policy = $policy)::double as found
union all
select
    'seeds that came from a row of a file' as book,
    (select count(*) from prompts where kind = 'seed')::double as expected,
    (select count(distinct prompt_id) from prompt_sources)::double as found
union all
select
    'rewrites that were accepted' as book,
    (select count(distinct prompt_id) from rewrites where accepted)::double as expected,
    (select count(*) from prompts where kind = 'rewrite' and made_by is not null)::double as found
union all
select
    'answers of the rewriter with an outcome' as book,
    (select count(*) from responses where role = 'rewriter' and server <> 'import')::double as expected,
    (
        select count(distinct response_id)
        from rewrites
        where exists (select 1 from responses where responses.response_id = rewrites.response_id)
    )::double as found
union all
select
    'dollars spent on calls' as book,
    (
        select coalesce(sum(cost_usd), 0)
        from (
            select cost_usd from responses where server <> 'import'
            union all
            select cost_usd from failures
            union all
            select cost_usd from carried_attempts
        )
    )::double as expected,
    (select coalesce(sum(cost_usd), 0) from spend)::double as found
