-- What a question was asked with, its own text aside: another system prompt, temperature or server is
-- another form. Samples of a form that the recipe has left are kept, and count for nothing until it
-- comes back.

alter table responses add column form varchar; -- null if it was made elsewhere
alter table failures add column form varchar;
alter table votes add column form varchar;     -- of the samples that voted; null as there

-- The form in which a role asks a model about the prompts of a domain and answer type, as of a run.
create table forms (
    role varchar,
    model varchar,
    domain varchar,
    answer_type varchar,
    form varchar,
    run_id varchar,
    created_at timestamptz
);

create view current_forms as
select role, model, domain, answer_type, form, run_id, created_at
from forms
qualify row_number() over (
    partition by role, model, domain, answer_type order by created_at desc
) = 1;

-- One row per response whose form is in use no more.
create view superseded_responses as
with superseded as (
    select distinct form from forms
    except
    select form from current_forms
)

select responses.response_id, responses.prompt_id, responses.role
from responses
semi join superseded on responses.form = superseded.form;

create or replace view current_votes as
select
    prompt_id, voter, answer, votes, runner_up, samples, drawn, voting, form, run_id, created_at
from votes
qualify row_number() over (partition by prompt_id, voter order by created_at desc) = 1;

-- As before, but one that was asked for in another way than the recipe's is none.
create or replace view teacher_responses as
with graded as (
    select responses.prompt_id, grades.response_id, grades.verdict
    from responses
    inner join current_keys on responses.prompt_id = current_keys.prompt_id
    inner join grades
        on responses.response_id = grades.response_id and current_keys.key_id = grades.key_id
    where responses.role = 'teacher'
    qualify row_number() over (
        partition by responses.prompt_id, grades.response_id
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
    and not exists (
        select 1 from tainting where tainting.response_id = responses.response_id
    )
    and not exists (
        select 1
        from current_objections
        where
            current_objections.prompt_id = responses.prompt_id
            and current_objections.response_id = responses.response_id
            and current_objections.reason is not null
    ) as usable
from responses
left join graded
    on responses.prompt_id = graded.prompt_id and responses.response_id = graded.response_id
where
    responses.role = 'teacher'
    and not exists (
        select 1
        from superseded_responses
        where
            superseded_responses.response_id = responses.response_id
            and superseded_responses.prompt_id = responses.prompt_id
    );

-- One row per whole response of a teacher that judges may be asked about: it gives no guidelines away.
create view rateable_responses as
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
where
    responses.role = 'teacher'
    and responses.finish_reason is distinct from 'length'
    and regexp_matches(coalesce(responses.content, ''), '\S')
    and responses.response_id not in (select response_id from superseded_responses)
    and not exists (
        select 1
        from current_objections
        where
            current_objections.prompt_id = responses.prompt_id
            and current_objections.response_id = responses.response_id
            and current_objections.source = 'guidelines'
            and current_objections.reason is not null
    );
