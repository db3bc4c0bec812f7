-- One row per seed that this version of the rules has not given a route yet.
select
    prompt_id, root_id, domain, text, choices, answer, answer_type, program, reference, tests
from prompts
where
    kind = 'seed'
    and prompt_id not in (select routes.prompt_id from routes where routes.version = $version)
