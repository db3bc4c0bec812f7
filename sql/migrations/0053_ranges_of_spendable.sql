-- Spendable and sampled prompts are asked for a range of ids at a time. A condition on the ids goes
-- down into both sides of a left join, but not into a `not exists`: there a range of 50,000 prompts
-- held 600 MB, for every range read the duplicates and objections of all prompts.

create or replace view spendable_prompts as
select
    prompts.prompt_id, prompts.root_id, prompts.parent_id, prompts.kind, prompts.domain,
    prompts.text, prompts.choices, prompts.answer, prompts.answer_type, prompts.answer_source
from prompts
left join (
    select prompt_id from current_duplicates where representative_id <> prompt_id
) as duplicate on prompts.prompt_id = duplicate.prompt_id
left join (
    select prompt_id from tainting where response_id is null
) as tainted on prompts.prompt_id = tainted.prompt_id
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
    and tainted.prompt_id is null
    and withdrawn.prompt_id is null
    and objected.prompt_id is null;

-- As before, with what says whether a prompt is in the scope of a run. A query of which three parts
-- read the same prompts took no condition on their ids: for every page it read the text of them all.
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
