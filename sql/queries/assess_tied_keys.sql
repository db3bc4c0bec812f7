-- One row is a believed key of votes that have no single leader any more.
select
    current_keys.key_id,
    current_keys.prompt_id,
    current_keys.answer,
    current_keys.answer_type,
    current_keys.source,
    current_votes.votes,
    current_votes.samples,
    current_votes.votes / current_votes.samples as share,
    false as trusted,
    current_votes.voter
from current_keys
inner join current_votes
    on current_keys.prompt_id = current_votes.prompt_id and current_votes.voter = $voter
where
    current_keys.source = 'plurality' and current_keys.trusted and current_votes.answer is null
