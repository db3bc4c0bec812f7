-- One row per prompt in a range of ids that the teacher is to answer, and how many samples are wanted
-- if those that were made elsewhere count: kept, or dropped only for what was written so far.
select
    prompts.prompt_id,
    prompts.text,
    prompts.choices,
    prompts.answer_type,
    prompts.domain,
    $samples - coalesce(imported.samples, 0) as wanted
from current_decisions
inner join prompts on current_decisions.prompt_id = prompts.prompt_id
semi join scoped_prompts($low, $high, $scope_domains, $scope_bounds, $scope_otherwise) as scoped
    on prompts.prompt_id = scoped.prompt_id
left join imported_samples('teacher', null, $low, $high) as imported
    on prompts.prompt_id = imported.prompt_id
where
    current_decisions.policy = $policy
    and (current_decisions.kept or current_decisions.stage = 'teach')
    and coalesce(imported.samples, 0) < $samples
    -- Without tests it was a rubric that accepted it.
    and not (
        list_contains($unjudged::varchar[], prompts.answer_type)
        and coalesce(len(prompts.tests), 0) > 0
    )
    and prompts.prompt_id >= $low
    and prompts.prompt_id < $high
order by prompts.prompt_id
