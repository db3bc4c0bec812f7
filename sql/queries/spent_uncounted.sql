-- One row per model and ceiling: the calls that have no dollars in the books. Either a price was
-- unknown when they were made, or they are older than what the books keep for a budget, and their
-- server did not say how many tokens they took: attempts without a count are numbered.
with calls as (
    select
        model, prompt_id, max_tokens, attempts, budget_tokens,
        if(budget_tokens is null, prompt_tokens, billed_prompt_tokens) as prompt_tokens,
        if(budget_tokens is null, completion_tokens, billed_completion_tokens) as completion_tokens
    from responses
    where server <> 'import' and cost_usd is null and budget_usd is null
    union all by name
    select model, prompt_id, attempts, budget_tokens, prompt_tokens, completion_tokens
    from failures
    where cost_usd is null and budget_usd is null
    union all by name
    select model, prompt_id, attempts, budget_tokens, prompt_tokens, completion_tokens
    from carried_attempts
    where cost_usd is null and budget_usd is null
),

-- `unpriced_tokens` are counted, and nobody knows how many of them were the prompt's.
told as (
    select
        model, prompt_id, max_tokens, attempts,
        budget_tokens is null and prompt_tokens is null as prompt_is_uncounted,
        budget_tokens is null and completion_tokens is null as answer_is_uncounted,
        -- What a budget has above the counts is of attempts that were never answered.
        coalesce(budget_tokens - coalesce(prompt_tokens + completion_tokens, 0), 0)
            as unpriced_tokens,
        if(budget_tokens is null or completion_tokens is not null, prompt_tokens, 0)
            as prompt_tokens,
        if(budget_tokens is null or prompt_tokens is not null, completion_tokens, 0)
            as completion_tokens
    from calls
),

sized as (
    select
        prompt_id,
        strlen(text)
        + coalesce(list_sum(list_transform(choices, lambda choice: strlen(choice) + 4)) + 1, 0)
        as size
    from prompts
    where prompt_id in (select told.prompt_id from told where told.prompt_is_uncounted)
)

select
    told.model,
    told.max_tokens,
    coalesce(sum(told.prompt_tokens), 0)::bigint as prompt_tokens,
    coalesce(sum(told.completion_tokens), 0)::bigint as completion_tokens,
    coalesce(sum(told.unpriced_tokens), 0)::bigint as unpriced_tokens,
    coalesce(sum(told.attempts) filter (told.prompt_is_uncounted), 0)::bigint
        as uncounted_prompts,
    coalesce(sum(told.attempts) filter (told.answer_is_uncounted), 0)::bigint
        as uncounted_answers,
    coalesce(sum(told.attempts * sized.size) filter (told.prompt_is_uncounted), 0)::bigint
        as prompt_bytes
from told
left join sized on told.prompt_id = sized.prompt_id
group by told.model, told.max_tokens
order by told.model, told.max_tokens
