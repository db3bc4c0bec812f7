-- One row per prompt in a range of ids that a role should answer, and how many samples are wanted of
-- a fixed number if those that were made elsewhere count.
select
    sampled_prompts.prompt_id,
    sampled_prompts.text,
    sampled_prompts.choices,
    sampled_prompts.answer_type,
    sampled_prompts.domain,
    greatest($samples - coalesce(imported.samples, 0), 0)::bigint as wanted
from sampled_prompts
left join imported_samples($role, $model, $low, $high) as imported
    on sampled_prompts.prompt_id = imported.prompt_id
where
    is_in_scope(
        sampled_prompts.root_id, sampled_prompts.domain, $scope_domains, $scope_bounds, $scope_otherwise
    )
    and sampled_prompts.role = $role
    and not list_contains($unjudged::varchar[], sampled_prompts.answer_type)
    and sampled_prompts.prompt_id >= $low
    and sampled_prompts.prompt_id < $high
    and ($answered_too or not has_answer or right(sampled_prompts.prompt_id, 8) < $gold_below)
    and ($role <> 'student' or keyed or ($keyless_too and not has_answer))
order by sampled_prompts.prompt_id
