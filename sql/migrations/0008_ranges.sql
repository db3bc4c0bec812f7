-- What is read range by range of prompt ids, so that memory does not grow with the store.

-- As before, but a range of prompts is one of grades too: the join says so.
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
    ) as usable
from responses
left join graded
    on responses.prompt_id = graded.prompt_id and responses.response_id = graded.response_id
where responses.role = 'teacher';

-- As before, but the origins of these prompts' roots are gathered, not those of all.
create or replace view kept_prompts as
select
    current_decisions.policy,
    prompts.prompt_id,
    prompts.root_id,
    prompts.domain,
    prompts.kind,
    prompts.strategy,
    prompts.text,
    prompts.choices,
    prompts.tests,
    coalesce(prompts.simulated, false) as simulated,
    current_keys.key_id,
    current_keys.answer as key,
    current_keys.answer_type,
    current_keys.source as key_source,
    nullif(origins.licence, '') as licence,
    nullif(origins.source, '') as source,
    origins.sources
from current_decisions
inner join prompts on current_decisions.prompt_id = prompts.prompt_id
left join current_keys on current_decisions.prompt_id = current_keys.prompt_id
left join lateral (
    select
        array_to_string(list_sort(list_distinct(list(licence))), ', ') as licence,
        array_to_string(list_sort(list_distinct(list(source))), ', ') as source,
        list_sort(list_distinct(list(source))) as sources
    from prompt_sources
    where prompt_sources.prompt_id = prompts.root_id
) as origins on true
where current_decisions.kept;
