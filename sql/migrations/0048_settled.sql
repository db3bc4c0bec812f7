-- What has been done for just the rows that are there, and need not be done again tonight.

create table settled (
    stage varchar,
    settings varchar,         -- content hash of the recipe, the code and the libraries that compute
    tables varchar[],         -- that the stage read
    snapshot bigint,          -- of the lake, as of which it was done
    outcome varchar,          -- what the stage came to, if a later night has to say it again
    run_id varchar,
    created_at timestamptz
);

insert into settled (stage) values (null);
