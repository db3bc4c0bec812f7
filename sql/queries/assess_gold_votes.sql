-- One row is a seed with a gold answer of its own, and what the voter's samples voted for. A rewrite
-- that keeps its seed's answer is there because the same votes agreed with it.
select
    prompts.domain,
    prompts.answer_type,
    prompts.answer as gold,
    current_votes.answer,
    current_votes.votes / current_votes.samples as share
from current_votes
inner join answered_prompts as prompts on current_votes.prompt_id = prompts.prompt_id
where
    current_votes.voter = $voter
    and prompts.kind = 'seed'
    and prompts.answer is not null
    and coalesce(prompts.answer_source, 'gold') = 'gold'
    and current_votes.samples >= $fewest
