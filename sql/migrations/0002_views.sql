-- Views for people and stages: the current word where tables keep every word ever said.

create view current_keys as
select
    key_id, prompt_id, answer, answer_type, source, votes, samples, share, trusted, run_id, created_at
from keys
qualify row_number() over (partition by prompt_id order by created_at desc, key_id) = 1;

create view current_grades as
select
    grades.response_id, grades.key_id, grades.verifier, grades.version, grades.verdict,
    grades.extracted, grades.reason, grades.run_id, grades.created_at
from grades
inner join responses on grades.response_id = responses.response_id
inner join current_keys
    on responses.prompt_id = current_keys.prompt_id and grades.key_id = current_keys.key_id
qualify row_number() over (
    partition by grades.response_id order by grades.created_at desc, grades.version desc, grades.verifier
) = 1;

create view current_difficulty as
select
    prompt_id, student, key_id, correct, wrong, truncated, unverifiable, pass_rate, low, high,
    run_id, created_at
from difficulty
qualify row_number() over (partition by prompt_id, student order by created_at desc) = 1;

create view teacher_responses as
select
    responses.response_id,
    responses.prompt_id,
    responses.model,
    responses.server,
    responses.sample_index,
    current_grades.verdict,
    regexp_matches(coalesce(responses.content, ''), '\S')
    and responses.finish_reason is distinct from 'length'
    and current_grades.verdict is distinct from 'truncated' as usable
from responses
left join current_grades on responses.response_id = current_grades.response_id
where responses.role = 'teacher';

create view current_duplicates as
select prompt_id, representative_id, method, score, run_id, created_at
from duplicates
qualify row_number() over (partition by prompt_id, method order by created_at desc) = 1;

create view current_decisions as
select policy, prompt_id, kept, stage, reason, detail, run_id, created_at
from decisions
qualify row_number() over (partition by policy, prompt_id order by created_at desc) = 1;

create view latest_policy as
select policy
from decisions
order by created_at desc, policy
limit 1;

create view spend as
select
    run_id, role, model, created_at, prompt_id, response_id, true as completed, attempts as calls,
    prompt_tokens, completion_tokens, cost_usd
from responses
where server <> 'import'
union all
select
    run_id, role, model, created_at, prompt_id, response_id, false as completed, attempts as calls,
    prompt_tokens, completion_tokens, cost_usd
from failures;

create view funnel as
select
    prompts.domain,
    prompts.kind,
    current_decisions.kept,
    current_decisions.stage,
    current_decisions.reason,
    count(*) as prompts
from current_decisions
inner join latest_policy on current_decisions.policy = latest_policy.policy
inner join prompts on current_decisions.prompt_id = prompts.prompt_id
group by all
order by prompts.domain, prompts.kind, current_decisions.kept desc, prompts desc;

create view pairs as
select
    releases.recipe,
    releases.version,
    release_pairs.pair_id,
    release_pairs.split,
    prompts.domain,
    prompts.kind,
    prompts.text as prompt,
    responses.content as response,
    responses.reasoning,
    release_pairs.prompt_id,
    release_pairs.response_id
from release_pairs
inner join releases on release_pairs.release_id = releases.release_id
inner join prompts on release_pairs.prompt_id = prompts.prompt_id
inner join responses on release_pairs.response_id = responses.response_id;

create view spendable_prompts as
select
    prompts.prompt_id, prompts.root_id, prompts.parent_id, prompts.kind, prompts.domain,
    prompts.text, prompts.choices, prompts.answer, prompts.answer_type, prompts.answer_source
from prompts
where
    not exists (
        select 1
        from current_duplicates
        where
            current_duplicates.prompt_id = prompts.prompt_id
            and current_duplicates.representative_id <> prompts.prompt_id
    )
    and not exists (select 1 from contamination where contamination.prompt_id = prompts.prompt_id);

-- The reference answers where a key is wanted of it, the student where a trusted key is there.
create view sampled_prompts as
select
    'reference' as role,
    prompt_id, text, choices, answer_type,
    answer is not null as has_answer
from spendable_prompts
where answer_type <> 'open'
union all
select
    'student' as role,
    spendable_prompts.prompt_id, spendable_prompts.text, spendable_prompts.choices,
    spendable_prompts.answer_type,
    spendable_prompts.answer is not null as has_answer
from spendable_prompts
inner join current_keys on spendable_prompts.prompt_id = current_keys.prompt_id
where current_keys.trusted and spendable_prompts.answer_type <> 'open';
