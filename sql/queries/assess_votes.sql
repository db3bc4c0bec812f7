-- One row is a sample of the voter on a prompt whose samples have changed since they were counted.
with voters as (
    select
        prompt_id,
        count(*)::integer as drawn,
        max(form) as form
    from responses
    where
        role = $voter
        and ($model::varchar is null or model = $model)
        and response_id not in (select response_id from superseded_responses)
    group by prompt_id
),

pending as (
    select voters.prompt_id, voters.form
    from voters
    left join current_votes
        on voters.prompt_id = current_votes.prompt_id and current_votes.voter = $voter
    where
        current_votes.drawn is distinct from voters.drawn
        or current_votes.form is distinct from voters.form
        or current_votes.voting is distinct from $voting
)

select
    responses.prompt_id,
    prompts.answer_type,
    prompts.choices,
    responses.content,
    responses.finish_reason,
    pending.form
from responses
inner join pending on responses.prompt_id = pending.prompt_id
inner join prompts on responses.prompt_id = prompts.prompt_id
where
    responses.role = $voter
    and ($model::varchar is null or responses.model = $model)
    and prompts.answer_type not in ('open', 'code')
    and responses.response_id not in (select response_id from superseded_responses)
order by responses.prompt_id
