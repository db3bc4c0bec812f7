-- One row per prompt of a domain in a range of ids that a judge has not rated so often as it should.
with rated as (
    select
        prompt_id,
        count(*) as votes
    from ratings
    where
        response_id is null
        and template = $template
        and judge = $judge
        and vote < $votes
        and prompt_id >= $low
        and prompt_id < $high
    group by prompt_id
)

select
    spendable_prompts.prompt_id,
    null::varchar as response_id,
    spendable_prompts.text,
    spendable_prompts.choices,
    null::varchar as response,
    spendable_prompts.answer as reference
from spendable_prompts
left join rated on spendable_prompts.prompt_id = rated.prompt_id
where
    spendable_prompts.domain = $domain
    and spendable_prompts.prompt_id >= $low
    and spendable_prompts.prompt_id < $high
    and right(spendable_prompts.prompt_id, 8) < $share_below
    and (spendable_prompts.answer_type = 'open' or not $keyless)
    and coalesce(rated.votes, 0) < $votes
order by spendable_prompts.prompt_id
