-- In a transaction of its own: take out the rows without a word that the migration before put in, and
-- count what a store of before holds.

delete from decision_tallies where policy is null and created_at is null;
delete from difficulty_tallies where domain is null and created_at is null;

insert into decision_tallies by name
select
    current_decisions.policy,
    prompts.domain,
    prompts.kind,
    current_decisions.kept,
    current_decisions.stage,
    current_decisions.reason,
    count(*) as prompts,
    max(current_decisions.created_at) as created_at
from current_decisions
inner join prompts on current_decisions.prompt_id = prompts.prompt_id
group by all;

insert into difficulty_tallies by name
select
    prompts.domain,
    current_difficulty.student,
    current_difficulty.pass_rate,
    current_difficulty.gap,
    current_difficulty.pass_rate between current_difficulty.band_low and current_difficulty.band_high
    as in_reach,
    case
        when current_difficulty.wrong = 0 and current_difficulty.correct > 0 then 'always'
        when current_difficulty.correct = 0 and current_difficulty.wrong > 0 then 'never'
    end as solved,
    count(*) as prompts,
    sum(current_difficulty.correct + current_difficulty.wrong) as decided,
    sum(current_difficulty.truncated) as truncated,
    sum(current_difficulty.unverifiable) as unverifiable,
    max(current_difficulty.created_at) as created_at
from current_difficulty
inner join prompts on current_difficulty.prompt_id = prompts.prompt_id
group by all;
