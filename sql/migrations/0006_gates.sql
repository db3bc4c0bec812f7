-- Verdicts of every gate, not only of releases; and how many rows each load read.

create table gates (
    gate_id varchar,          -- content hash of run, suite, release and digest
    suite varchar,            -- ingest | responses | release
    recipe varchar,
    release_id varchar,       -- null but for a release
    digest varchar,           -- of the rules and settings it was judged by
    passed boolean,
    rows bigint,              -- that were judged
    verdict json,             -- the result, rule by rule
    run_id varchar,
    created_at timestamptz
);

create table loads (
    run_id varchar,
    purpose varchar,          -- seed | benchmark | response
    rows_read bigint,
    rows_new bigint,
    rows_merged bigint,       -- that were there already
    rows_quarantined bigint,
    created_at timestamptz
);

create view gate_rules as
select
    suite,
    recipe,
    run_id,
    created_at,
    rule ->> 'rule' as rule,
    rule ->> 'severity' as severity,
    (rule ->> 'passed')::boolean as passed,
    (rule ->> 'found')::bigint as found,
    rule ->> 'detail' as detail,
    rule ->> 'description' as description
from (select *, unnest(json_extract(verdict, '$.rules[*]')) as rule from gates);
