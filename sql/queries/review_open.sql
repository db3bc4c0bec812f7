-- One row per sample on a prompt that could be checked but has no key to believe, or that judges want
-- people to look at; one row without a sample for a prompt that nobody was asked about.
with waiting as (
    select
        spendable_prompts.prompt_id,
        spendable_prompts.domain,
        spendable_prompts.answer_type,
        spendable_prompts.text,
        spendable_prompts.choices
    from spendable_prompts
    left join current_keys
        on spendable_prompts.prompt_id = current_keys.prompt_id and current_keys.trusted
    where
        spendable_prompts.answer_type not in ('open', 'code')
        and current_keys.prompt_id is null
    union
    select prompts.prompt_id, prompts.domain, prompts.answer_type, prompts.text, prompts.choices
    from prompts
    inner join current_objections on prompts.prompt_id = current_objections.prompt_id
    left join removed_roots on prompts.root_id = removed_roots.root_id
    where
        current_objections.response_id is null
        and current_objections.reason is not null
        and current_objections.below = 'needs_review'
        and removed_roots.root_id is null
)

select
    waiting.prompt_id,
    waiting.domain,
    waiting.answer_type,
    waiting.text,
    waiting.choices,
    responses.role,
    responses.content,
    responses.finish_reason
from waiting
left join current_reviews on waiting.prompt_id = current_reviews.prompt_id
left join responses
    on
        waiting.prompt_id = responses.prompt_id
        and responses.role in ('reference', 'confirmer')
        and responses.response_id not in (select response_id from superseded_responses)
where current_reviews.prompt_id is null
order by waiting.prompt_id, responses.role, responses.sample_index, responses.response_id
