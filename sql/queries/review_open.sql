-- One row per sample on a prompt that could be checked but has no key to believe; one row without a
-- sample for a prompt that nobody was asked about.
select
    spendable_prompts.prompt_id,
    spendable_prompts.domain,
    spendable_prompts.answer_type,
    spendable_prompts.text,
    spendable_prompts.choices,
    responses.role,
    responses.content,
    responses.finish_reason
from spendable_prompts
left join current_keys
    on spendable_prompts.prompt_id = current_keys.prompt_id and current_keys.trusted
left join current_reviews on spendable_prompts.prompt_id = current_reviews.prompt_id
left join responses
    on
        spendable_prompts.prompt_id = responses.prompt_id
        and responses.role in ('reference', 'confirmer')
where
    spendable_prompts.answer_type not in ('open', 'code')
    and current_keys.prompt_id is null
    and current_reviews.prompt_id is null
order by spendable_prompts.prompt_id, responses.role, responses.sample_index, responses.response_id
