-- One row per seed, in the shape in which the simulator reads its answer key.
select
    prompt_id as id,
    domain,
    text as prompt,
    choices,
    answer,
    answer_type,
    program,
    solution,
    tests,
    reference,
    level
from prompts
where kind = 'seed'
