-- warning: Every sample asked of the student was drawn or failed with a reason.
with drawn as (
    -- What was made elsewhere is numbered by itself.
    select prompt_id, count(distinct (is_import, sample_index)) as samples
    from (
        select prompt_id, sample_index, server = 'import' as is_import
        from responses
        where
            role = 'student'
            and model = $student
            and response_id not in (select response_id from superseded_responses)
        union
        select prompt_id, sample_index, false as is_import
        from failures
        where role = 'student' and model = $student
    )
    where sample_index < $samples
    group by prompt_id
)

select
    null::varchar as response_id,
    'prompt ' || sampled_prompts.prompt_id || ': ' || coalesce(drawn.samples, 0) || ' of ' || $samples as detail
from sampled_prompts
semi join scoped_prompts('', 'g', $scope_domains, $scope_bounds, $scope_otherwise) as scoped
    on sampled_prompts.prompt_id = scoped.prompt_id
left join drawn on sampled_prompts.prompt_id = drawn.prompt_id
where sampled_prompts.role = 'student' and coalesce(drawn.samples, 0) < $samples
order by sampled_prompts.prompt_id
