-- Which files have been read to their end, so that a night need not parse them again.

create table read_files (
    file_id varchar,          -- content hash of all that its rows depend on
    purpose varchar,          -- seed | benchmark | response
    uri varchar,
    settings varchar,         -- digest of the source's settings
    digest varchar,           -- SHA-256 of the file's bytes
    rows_read bigint,
    rows_quarantined bigint,
    run_id varchar,
    created_at timestamptz
);
