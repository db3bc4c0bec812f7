-- The way out: where releases were published besides their folder, and which responses may not leave.

-- A row is written once all of a release can be seen at a target.
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

-- Responses that a rule of the gate on texts would refuse, the first rule they break. What was
-- looked at without a fault is in `screened` only.
create table text_faults (
    response_id varchar,
    rules varchar,            -- digest of the rules and of everything they depend on
    rule varchar,             -- looping | secret | personal_data | …
    detail varchar,
    run_id varchar,
    created_at timestamptz
);

-- Roots that duplicates tie together: the one by whose hash all of them are split.
create table kin (
    root_id varchar,
    anchor_id varchar,        -- itself if nothing ties it any longer
    run_id varchar,
    created_at timestamptz
);

create view current_kin as
select root_id, anchor_id
from kin
qualify row_number() over (partition by root_id order by created_at desc) = 1;
