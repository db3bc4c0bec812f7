-- One row is a prompt without an answer or a review of its own, and what its samples voted for.
select
    current_votes.prompt_id,
    current_votes.answer,
    prompts.answer_type,
    current_votes.votes,
    current_votes.samples,
    current_votes.voter,
    prompts.domain
from current_votes
inner join answered_prompts as prompts on current_votes.prompt_id = prompts.prompt_id
where
    current_votes.voter = $voter
    and prompts.answer is null
    and not exists (
        select 1 from current_reviews where current_reviews.prompt_id = current_votes.prompt_id
    )
