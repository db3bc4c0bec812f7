-- critical: What each model is said to have cost, in dollars and in tokens, is the sum of its calls.
with entries as (
    -- A response's own tokens are those of its answer; it is billed for all its attempts.
    select
        'calls' as book, role, model, cost_usd, budget_usd, budget_tokens,
        if(budget_tokens is null, prompt_tokens, billed_prompt_tokens) as prompt_tokens,
        if(budget_tokens is null, completion_tokens, billed_completion_tokens) as completion_tokens
    from responses
    where server <> 'import'
    union all by name
    select
        'calls' as book, role, model, cost_usd, budget_usd, budget_tokens,
        prompt_tokens, completion_tokens
    from failures
    union all by name
    -- What batches were paid for and have yet to bring a whole answer.
    select
        'calls' as book, role, model, cost_usd, budget_usd, budget_tokens,
        prompt_tokens, completion_tokens
    from carried_attempts
    union all by name
    select
        'spend' as book, role, model, cost_usd, budget_usd, budget_tokens,
        prompt_tokens, completion_tokens
    from spend
),

sums as (
    select
        book,
        role,
        model,
        count(*) as calls,
        coalesce(sum(cost_usd), 0) as dollars,
        coalesce(sum(coalesce(budget_usd, cost_usd)), 0) as budgeted_dollars,
        coalesce(sum(prompt_tokens), 0) + coalesce(sum(completion_tokens), 0) as tokens,
        coalesce(sum(budget_tokens), 0) as budgeted_tokens
    from entries
    group by book, role, model
)

select
    null::varchar as response_id,
    coalesce(said.model, summed.model) || ' as ' || coalesce(said.role, summed.role) || ': '
    || coalesce(said.dollars, 0) || ' dollars and ' || coalesce(said.tokens, 0) || ' tokens said, '
    || coalesce(summed.dollars, 0) || ' and ' || coalesce(summed.tokens, 0) || ' in calls' as detail
from (from sums where book = 'calls') as summed
full join (from sums where book = 'spend') as said
    on summed.role = said.role and summed.model = said.model
where
    coalesce(said.calls, 0) <> coalesce(summed.calls, 0)
    or coalesce(said.tokens, 0) <> coalesce(summed.tokens, 0)
    or coalesce(said.budgeted_tokens, 0) <> coalesce(summed.budgeted_tokens, 0)
    or abs(coalesce(said.dollars, 0) - coalesce(summed.dollars, 0)) > 1e-6 * greatest(1, summed.dollars)
    or abs(coalesce(said.budgeted_dollars, 0) - coalesce(summed.budgeted_dollars, 0))
    > 1e-6 * greatest(1, summed.budgeted_dollars)
order by detail
