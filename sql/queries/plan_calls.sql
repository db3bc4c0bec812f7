-- One row per role, model, template and domain: the calls so far, and the sums that means and
-- the tokens by prompt size are made of.
with calls as (
    select
        role, model, template, prompt_id, attempts, prompt_tokens, cached_tokens,
        completion_tokens, reasoning_tokens, latency_s
    from responses
    where server <> 'import'
    union all by name
    select role, model, template, prompt_id, attempts
    from failures
),

sized as (
    select
        prompts.prompt_id,
        prompts.domain,
        strlen(prompts.text)::double
        + coalesce(list_sum(list_transform(prompts.choices, lambda choice: strlen(choice) + 4)) + 1, 0)
        as size
    from prompts
)

select
    calls.role,
    calls.model,
    calls.template,
    sized.domain,
    count(*)::bigint as requests,
    sum(calls.attempts)::double as attempts,
    count(calls.completion_tokens)::bigint as answered,
    coalesce(sum(calls.prompt_tokens), 0)::double as prompt_tokens,
    coalesce(sum(calls.cached_tokens), 0)::double as cached_tokens,
    coalesce(sum(calls.completion_tokens), 0)::double as completion_tokens,
    coalesce(sum(calls.completion_tokens::double ** 2), 0)::double as completion_squares,
    coalesce(sum(calls.reasoning_tokens), 0)::double as reasoning_tokens,
    count(calls.latency_s)::bigint as timed,
    coalesce(sum(calls.latency_s), 0)::double as latency_s,
    count(*) filter (sized.size is not null and calls.prompt_tokens is not null)::bigint as sized,
    coalesce(sum(sized.size) filter (calls.prompt_tokens is not null), 0)::double as size,
    coalesce(sum(sized.size ** 2) filter (calls.prompt_tokens is not null), 0)::double as size_squares,
    coalesce(sum(calls.prompt_tokens) filter (sized.size is not null), 0)::double as sized_tokens,
    coalesce(sum(sized.size * calls.prompt_tokens), 0)::double as size_tokens
from calls
left join sized on calls.prompt_id = sized.prompt_id
group by all
order by all
