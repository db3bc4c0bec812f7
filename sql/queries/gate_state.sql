-- One row: how much there is of what the suites on the way judge; nothing is ever changed or taken
-- away, so what has not grown is as it was.
select
    (select count(*) from prompts) as prompts,
    (select count(*) from prompt_sources) as sources,
    (select count(*) from quarantine) as quarantined,
    (select count(*) from responses) as responses,
    (select count(*) from failures) as failures,
    (select count(*) from grades) as grades,
    (select count(*) from keys) as keys,
    (select count(*) from difficulty) as difficulties
