-- One row per model and ceiling: the calls whose cost is null in the books, since their server did
-- not say how many tokens they took or a price was unknown. Attempts without a count are numbered.
with calls as (
    select model, prompt_id, max_tokens, attempts, prompt_tokens, completion_tokens
    from responses
    where server <> 'import' and cost_usd is null
    union all by name
    select model, prompt_id, attempts, prompt_tokens, completion_tokens
    from failures
    where cost_usd is null
    union all by name
    select model, prompt_id, attempts, prompt_tokens, completion_tokens
    from carried_attempts
    where cost_usd is null
),

sized as (
    select
        prompt_id,
        strlen(text)
        + coalesce(list_sum(list_transform(choices, lambda choice: strlen(choice) + 4)) + 1, 0)
        as size
    from prompts
    where prompt_id in (select calls.prompt_id from calls where calls.prompt_tokens is null)
)

select
    calls.model,
    calls.max_tokens,
    coalesce(sum(calls.prompt_tokens), 0)::bigint as prompt_tokens,
    coalesce(sum(calls.completion_tokens), 0)::bigint as completion_tokens,
    coalesce(sum(calls.attempts) filter (calls.prompt_tokens is null), 0)::bigint
        as uncounted_prompts,
    coalesce(sum(calls.attempts) filter (calls.completion_tokens is null), 0)::bigint
        as uncounted_answers,
    coalesce(sum(calls.attempts * sized.size) filter (calls.prompt_tokens is null), 0)::bigint
        as prompt_bytes
from calls
left join sized on calls.prompt_id = sized.prompt_id
group by calls.model, calls.max_tokens
order by calls.model, calls.max_tokens
