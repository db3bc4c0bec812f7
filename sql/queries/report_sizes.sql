-- One row: how much there is of everything that led to a release.
select
    (select count(*) from prompt_sources)::bigint as rows_read,
    (select count(*) from quarantine)::bigint as quarantined,
    (select count(*) from prompts where kind = 'seed')::bigint as seeds,
    (select count(distinct response_id) from rewrites)::bigint as rewrites_tried,
    (select count(*) from prompts where kind = 'rewrite')::bigint as rewrites,
    (select count(*) from responses)::bigint as responses,
    (select count(*) from grades)::bigint as grades
