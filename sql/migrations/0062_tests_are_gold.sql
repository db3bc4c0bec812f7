-- As before, but tests are a gold answer: what they check needs no vote of the reference.
create or replace view sampled_prompts as
select
    roles.role,
    spendable_prompts.prompt_id,
    spendable_prompts.text,
    spendable_prompts.choices,
    spendable_prompts.answer_type,
    spendable_prompts.answer is not null
    or (
        spendable_prompts.answer_type = 'code' and coalesce(len(prompts.tests), 0) > 0
    ) as has_answer,
    roles.role = 'student' and coalesce(current_keys.trusted, false) as keyed,
    spendable_prompts.root_id,
    spendable_prompts.domain
from spendable_prompts
inner join prompts on spendable_prompts.prompt_id = prompts.prompt_id
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
