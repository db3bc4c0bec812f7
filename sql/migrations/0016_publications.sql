-- Where releases were published besides their folder; a row is written once all of it can be seen.

create table publications (
    publication_id varchar,   -- content hash of target, endpoint, release and run
    target varchar,           -- as the recipe names it: s3://bucket/prefix | hf://org/name
    endpoint varchar,         -- null: the scheme's own
    recipe varchar,
    release_id varchar,
    place varchar,            -- where a person or a program finds this very release
    files bigint,             -- that it consists of
    uploaded bigint,          -- of them by this run; the others were there
    bytes_uploaded bigint,
    run_id varchar,
    created_at timestamptz
);
