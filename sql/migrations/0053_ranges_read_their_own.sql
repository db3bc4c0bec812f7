-- Most questions are about a range of prompt ids, and a condition on the ids goes down into both sides
-- of a left join, but not into a `not exists`, nor into a query that several parts of another one read.
-- There a range of 50,000 prompts held 600 MB, for each range read the duplicates, objections and
-- texts of all prompts. What the views say is the same.

-- Prompts that repeat no other one, were not withdrawn, and that no judge objects to.
create view sound_prompts as
select
    prompts.prompt_id, prompts.root_id, prompts.parent_id, prompts.kind, prompts.domain,
    prompts.text, prompts.choices, prompts.answer, prompts.answer_type, prompts.answer_source
from prompts
left join (
    select prompt_id from current_duplicates where representative_id <> prompt_id
) as duplicate on prompts.prompt_id = duplicate.prompt_id
left join withdrawn_prompts as withdrawn on prompts.prompt_id = withdrawn.prompt_id
left join (
    select current_objections.prompt_id
    from current_objections
    left join current_reviews
        on
            current_objections.prompt_id = current_reviews.prompt_id
            and current_reviews.refusal is null
    where
        current_objections.response_id is null
        and current_objections.reason is not null
        and current_reviews.prompt_id is null
) as objected on prompts.prompt_id = objected.prompt_id
where
    duplicate.prompt_id is null
    and withdrawn.prompt_id is null
    and objected.prompt_id is null;

-- Prompts that money may be spent on.
create or replace view spendable_prompts as
select
    sound_prompts.prompt_id, sound_prompts.root_id, sound_prompts.parent_id, sound_prompts.kind,
    sound_prompts.domain, sound_prompts.text, sound_prompts.choices, sound_prompts.answer,
    sound_prompts.answer_type, sound_prompts.answer_source
from sound_prompts
left join (
    select prompt_id from tainting where response_id is null
) as tainted on sound_prompts.prompt_id = tainted.prompt_id
where tainted.prompt_id is null;

-- Prompts that are compared by their embeddings: those that money may be spent on, and those that
-- nothing but such a comparison has set aside, whose verdict may be another one with other settings.
create or replace view comparable_prompts as
select sound_prompts.prompt_id, sound_prompts.root_id, sound_prompts.text, sound_prompts.choices
from sound_prompts
left join (
    select prompt_id from tainting where response_id is null and method <> 'embedding'
) as tainted on sound_prompts.prompt_id = tainted.prompt_id
where tainted.prompt_id is null;

-- As before, with what says whether a prompt is in the scope of a run.
create or replace view sampled_prompts as
select
    roles.role,
    spendable_prompts.prompt_id,
    spendable_prompts.text,
    spendable_prompts.choices,
    spendable_prompts.answer_type,
    spendable_prompts.answer is not null as has_answer,
    roles.role = 'student' and coalesce(current_keys.trusted, false) as keyed,
    spendable_prompts.root_id,
    spendable_prompts.domain
from spendable_prompts
cross join (values ('reference'), ('confirmer'), ('student')) as roles (role)
left join (
    select prompt_id from current_reviews where refusal is not null
) as refused on spendable_prompts.prompt_id = refused.prompt_id
left join current_keys on spendable_prompts.prompt_id = current_keys.prompt_id
where
    spendable_prompts.answer_type <> 'open'
    and refused.prompt_id is null
    and (
        roles.role <> 'confirmer'
        or (
            current_keys.source = 'plurality'
            and current_keys.samples >= 3
            and (not current_keys.trusted or current_keys.confirmer is not null)
        )
    );

create or replace view teacher_responses as
with graded as (
    select grades.prompt_id, grades.response_id, grades.verdict
    from placed_grades as grades
    inner join current_keys
        on grades.prompt_id = current_keys.prompt_id and grades.key_id = current_keys.key_id
    where grades.role = 'teacher'
    qualify row_number() over (
        partition by grades.prompt_id, grades.response_id
        order by grades.created_at desc, grades.version desc, grades.verifier
    ) = 1
)

select
    responses.response_id,
    responses.prompt_id,
    responses.model,
    responses.server,
    responses.sample_index,
    graded.verdict,
    regexp_matches(coalesce(responses.content, ''), '\S')
    and responses.finish_reason is distinct from 'length'
    and graded.verdict is distinct from 'truncated'
    and tainted.response_id is null
    and objected.response_id is null as usable
from responses
left join graded
    on responses.prompt_id = graded.prompt_id and responses.response_id = graded.response_id
left join (
    select distinct prompt_id, response_id from tainting where response_id is not null
) as tainted
    on responses.prompt_id = tainted.prompt_id and responses.response_id = tainted.response_id
left join (
    select distinct prompt_id, response_id
    from current_objections
    where response_id is not null and reason is not null
) as objected
    on responses.prompt_id = objected.prompt_id and responses.response_id = objected.response_id
left join superseded_responses as superseded
    on responses.prompt_id = superseded.prompt_id and responses.response_id = superseded.response_id
where responses.role = 'teacher' and superseded.response_id is null;

create or replace view rateable_responses as
select
    responses.prompt_id,
    responses.response_id,
    responses.model,
    responses.server,
    responses.content,
    prompts.domain,
    prompts.text,
    prompts.choices,
    prompts.answer_type,
    prompts.answer
from responses
inner join prompts on responses.prompt_id = prompts.prompt_id
left join (
    select prompt_id, response_id
    from current_objections
    where source = 'guidelines' and reason is not null
) as objected
    on responses.prompt_id = objected.prompt_id and responses.response_id = objected.response_id
left join superseded_responses as superseded
    on responses.prompt_id = superseded.prompt_id and responses.response_id = superseded.response_id
where
    responses.role = 'teacher'
    and responses.finish_reason is distinct from 'length'
    and regexp_matches(coalesce(responses.content, ''), '\S')
    and objected.response_id is null
    and superseded.response_id is null;
