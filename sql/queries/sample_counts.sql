-- One row: how many prompts in a range of ids a role should answer, and how many calls that still
-- takes. Responses made elsewhere are there already.
with drawn as (
    select
        prompt_id,
        count(distinct sample_index) as samples
    from responses
    where
        role = $role
        and model = $model
        and template = $template
        and sample_index < $samples
        and server <> 'import'
        and form is not null -- Of an older Teachset: only their keys tell whether they are of today.
        and prompt_id >= $low
        and prompt_id < $high
        and response_id not in (
            select response_id from superseded_responses where prompt_id >= $low and prompt_id < $high
        )
    group by prompt_id
)

select
    count(*)::bigint as prompts,
    coalesce(
        sum(greatest(
            $samples - coalesce(imported.samples, 0) - coalesce(drawn.samples, 0), 0
        )),
        0
    )::bigint as calls
from sampled_prompts
left join drawn on sampled_prompts.prompt_id = drawn.prompt_id
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
    and (
        $answered_too
        or not sampled_prompts.has_answer
        or right(sampled_prompts.prompt_id, 8) < $gold_below
    )
    and ($role <> 'student' or sampled_prompts.keyed or ($keyless_too and not has_answer))
