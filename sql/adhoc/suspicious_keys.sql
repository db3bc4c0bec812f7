-- Which keys deserve a look? Gold answers that the reference model contradicts on every sample.
with doubted as materialized (
    select prompt_id
    from placed_grades
    where role = 'reference' and verdict = 'wrong'
    group by prompt_id
    having count(*) >= 3
),

golden as (
    select keys.prompt_id, keys.key_id, keys.answer, keys.source
    from keys
    semi join doubted on keys.prompt_id = doubted.prompt_id
    qualify row_number() over (
        partition by keys.prompt_id order by keys.created_at desc, keys.key_id
    ) = 1
),

graded as (
    select placed_grades.prompt_id, placed_grades.verdict, placed_grades.extracted
    from placed_grades
    inner join golden
        on placed_grades.prompt_id = golden.prompt_id and placed_grades.key_id = golden.key_id
    where placed_grades.role = 'reference' and golden.source = 'gold'
    qualify row_number() over (
        partition by placed_grades.response_id
        order by placed_grades.created_at desc, placed_grades.version desc, placed_grades.verifier
    ) = 1
),

contradicted as (
    select prompt_id, mode(extracted) as reference_says, count(*) as samples
    from graded
    group by prompt_id
    having bool_and(verdict = 'wrong') and count(*) >= 3
)

select
    prompts.domain,
    prompts.text,
    golden.answer as gold,
    contradicted.reference_says,
    contradicted.samples,
    prompts.prompt_id
from prompts
inner join contradicted on prompts.prompt_id = contradicted.prompt_id
inner join golden on prompts.prompt_id = golden.prompt_id
order by prompts.domain, prompts.prompt_id;
