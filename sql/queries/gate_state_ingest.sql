-- One row: how much there is of what the suite `ingest` judges; nothing is ever changed or taken
-- away but by another word, so what has not grown is as it was.
select
    (select count(*) from prompts) as prompts,
    (select count(*) from prompt_sources) as sources,
    (select count(*) from quarantine) as quarantined,
    (select count(*) from source_words) as words,
    (select count(*) from seed_files) as files
