-- One row is a sample of the voter on a prompt whose samples have changed since they were counted.
with voters as (
    select
        prompt_id,
        count(*)::integer as drawn
    from responses
    where role = $voter and ($model::varchar is null or model = $model)
    group by prompt_id
),

pending as (
    select voters.prompt_id
    from voters
    left join current_votes
        on voters.prompt_id = current_votes.prompt_id and current_votes.voter = $voter
    where
        current_votes.drawn is distinct from voters.drawn
        or current_votes.voting is distinct from $voting
)

select
    responses.prompt_id,
    prompts.answer_type,
    prompts.choices,
    responses.content,
    responses.finish_reason
from responses
inner join pending on responses.prompt_id = pending.prompt_id
inner join prompts on responses.prompt_id = prompts.prompt_id
where
    responses.role = $voter
    and ($model::varchar is null or responses.model = $model)
    and prompts.answer_type not in ('open', 'code')
order by responses.prompt_id
