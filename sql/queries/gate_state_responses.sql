-- One row: how much there is of what the suite `responses` judges; nothing is ever changed or taken
-- away, so what has not grown is as it was.
select
    (select count(*) from prompts) as prompts,
    (select count(*) from responses) as responses,
    (select count(*) from failures) as failures,
    (select count(*) from grades) as grades,
    (select count(*) from keys) as keys,
    (select count(*) from forms) as forms,
    (select count(*) from difficulty) as difficulties
