-- One row per prompt in a range of ids that the teacher is to answer, and the sample indices at which:
-- from `begin` to below `wanted`. Asked are prompts that are kept, or dropped only for what was written
-- so far, and have no response yet that is enough, unless the recipe wants more ($even_if_fit). Responses made
-- elsewhere count as samples.
select
    prompts.prompt_id,
    prompts.text,
    prompts.choices,
    prompts.answer_type,
    prompts.domain,
    $begin as begin,
    least($until, $samples - coalesce(imported.samples, 0)) as wanted
from current_decisions
inner join prompts on current_decisions.prompt_id = prompts.prompt_id
semi join scoped_prompts($low, $high, $scope_domains, $scope_bounds, $scope_otherwise) as scoped
    on prompts.prompt_id = scoped.prompt_id
left join imported_samples('teacher', null, $low, $high) as imported
    on prompts.prompt_id = imported.prompt_id
anti join (
    select prompt_id
    from answered_lessons(
        $writer, $only_correct, $text_rules, $permanent, $even_awaited, $low, $high
    )
    where not $even_if_fit
) as answered
    on prompts.prompt_id = answered.prompt_id
where
    current_decisions.policy = $policy
    and (current_decisions.kept or current_decisions.stage = 'teach')
    and $begin < least($until, $samples - coalesce(imported.samples, 0))
    -- Without tests it was a rubric that accepted it.
    and not (
        list_contains($unjudged::varchar[], prompts.answer_type)
        and coalesce(len(prompts.tests), 0) > 0
    )
    and prompts.prompt_id >= $low
    and prompts.prompt_id < $high
order by prompts.prompt_id
