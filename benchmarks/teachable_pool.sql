-- A graded pool: prompts with a gold key, each answered eight times by a student of U-shaped skill.
insert into prompts by name
select
    left(sha256(n::varchar), 32) as prompt_id,
    left(sha256((n - n % 3)::varchar), 32) as root_id,
    if(n % 3 = 0, 'seed', 'rewrite') as kind,
    if(n % 5 < 3, 'math', 'code') as domain,
    'problem ' || n as text,
    'number' as answer_type,
    (n % 997)::varchar as answer,
    now() as created_at
from range($prompts) as numbers(n)
where $samples > 0;

insert into prompt_sources by name
select prompt_id, 'pool' as source, 'seeds.jsonl' as uri, row_number() over () as row_number
from prompts
where kind = 'seed' and $prompts > 0 and $samples > 0;

insert into keys by name
select
    'k' || left(prompt_id, 31) as key_id, prompt_id, answer, answer_type, 'gold' as source,
    true as trusted, now() as created_at
from prompts
where $prompts > 0 and $samples > 0;

insert into responses by name
select
    left(sha256(prompts.prompt_id || s), 32) as response_id,
    prompts.prompt_id,
    'student' as role,
    'student' as model,
    'pool' as server,
    s as sample_index,
    120 + s as completion_tokens,
    now() as created_at
from prompts, range($samples) as samples(s)
where $prompts > 0;

insert into grades by name
select
    responses.response_id,
    'k' || left(responses.prompt_id, 31) as key_id,
    'math' as verifier,
    1 as version,
    if(right_one, 'correct', 'wrong') as verdict,
    if(right_one, '7', (hash(response_id) % 5)::varchar) as extracted,
    responses.prompt_id,
    responses.role,
    responses.model,
    responses.completion_tokens,
    now() as created_at
from (
    select
        response_id,
        prompt_id,
        role,
        model,
        completion_tokens,
        pow(sin(hash(prompt_id) / pow(2, 64) * pi() / 2), 2)
        > hash(response_id || 'r') / pow(2, 64) as right_one
    from responses
    where $prompts > 0 and $samples > 0
) as responses
