-- What a teacher wrote is weighed in one place: what may be released of it, and what speaks against the
-- rest. Where one response is fit no other is asked for.

-- As before, but a student's own answers that were adopted are no samples of a teacher.
create or replace macro imported_samples(asked_role, asked_model, low, high) as table
    select prompt_id, count(*)::bigint as samples
    from responses
    where
        role = asked_role
        and server = 'import'
        and template is distinct from 'adopted'
        and (asked_role in ('reference', 'teacher') or model = asked_model)
        and prompt_id >= low
        and prompt_id < high
    group by prompt_id;

-- As before, and whether it was adopted (a student's own answer, taken for its lesson), and whether
-- all that speaks against it is that its judges have not rated it yet.
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
    and objected.response_id is null as usable,
    regexp_matches(coalesce(responses.content, ''), '\S')
    and responses.finish_reason is distinct from 'length'
    and graded.verdict is distinct from 'truncated'
    and tainted.response_id is null
    and coalesce(objected.unrated, false) as unrated,
    responses.template is not distinct from 'adopted' as adopted
from responses
left join graded
    on responses.prompt_id = graded.prompt_id and responses.response_id = graded.response_id
left join (
    select distinct prompt_id, response_id from tainting where response_id is not null
) as tainted
    on responses.prompt_id = tainted.prompt_id and responses.response_id = tainted.response_id
left join (
    select prompt_id, response_id, bool_and(reason = 'not_rated') as unrated
    from current_objections
    where response_id is not null and reason is not null
    group by prompt_id, response_id
) as objected
    on responses.prompt_id = objected.prompt_id and responses.response_id = objected.response_id
left join superseded_responses as superseded
    on responses.prompt_id = superseded.prompt_id and responses.response_id = superseded.response_id
where responses.role = 'teacher' and superseded.response_id is null;

-- One row per teacher's response in a range of prompts. `ours` if it is of this model or was made
-- elsewhere; `eligible` if it may be released for what it says, `fit` if these rules on texts find
-- nothing in it either (or have not looked at it yet: then `rule` is null too); `awaited` if a verdict
-- or a rating may still make it fit.
create macro offered_responses(writer, only_correct, text_rules, low, high) as table
select
    taught.prompt_id,
    taught.response_id,
    taught.sample_index,
    taught.verdict,
    taught.usable,
    taught.ours,
    taught.eligible,
    taught.ours and taught.eligible and faults.rule is null as fit,
    taught.ours
    and faults.rule is null
    and if(
        taught.unrated,
        not only_correct or coalesce(taught.verdict = 'correct', true),
        only_correct and taught.usable and taught.verdict is null
    ) as awaited,
    faults.rule,
    faults.detail
from (
    select
        *,
        coalesce(model = writer, false) or (server = 'import' and not adopted) as ours,
        usable and (not only_correct or coalesce(verdict = 'correct', false)) as eligible
    from teacher_responses
    where prompt_id >= low and prompt_id < high
) as taught
left join (
    select response_id, rule, detail
    from text_faults
    where rules = text_rules
) as faults
    on taught.response_id = faults.response_id;

-- One row per response in a range of prompts for which no other is asked for: it is fit, and not known to
-- be wrong where wrong ones are released too, or it is awaited and its judge has not failed for good
-- (unless a plan asks, that has to reckon with it: `even_awaited`).
create macro answered_lessons(
    writer, only_correct, text_rules, permanent, even_awaited, low, high
) as table
select offered.prompt_id
from offered_responses(writer, only_correct, text_rules, low, high) as offered
left join (
    select distinct prompt_id
    from failures
    where
        role = 'judge'
        and list_contains(permanent, failure)
        and prompt_id >= low
        and prompt_id < high
) as given_up
    on offered.prompt_id = given_up.prompt_id
where
    (offered.fit and offered.verdict is distinct from 'wrong')
    or (offered.awaited and given_up.prompt_id is null and not even_awaited);
