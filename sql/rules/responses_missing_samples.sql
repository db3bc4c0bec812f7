-- warning: Every sample that all prompts get of the student was drawn, imported or failed with a reason.
with samples as (
    select prompt_id, sample_index::varchar as sample
    from responses
    where
        role = 'student'
        and model = $student
        and server is distinct from 'import'
        and sample_index < $samples
        and response_id not in (select response_id from superseded_responses)
    union
    select prompt_id, sample_index::varchar
    from failures
    where role = 'student' and model = $student and sample_index < $samples
    union
    -- What was made elsewhere counts, whatever it is numbered.
    select prompt_id, response_id
    from responses
    where role = 'student' and model = $student and server = 'import'
),

drawn as (select prompt_id, count(*) as samples from samples group by prompt_id)

select
    null::varchar as response_id,
    'prompt ' || sampled_prompts.prompt_id || ': ' || coalesce(drawn.samples, 0) || ' of ' || $samples as detail
from sampled_prompts
left join drawn on sampled_prompts.prompt_id = drawn.prompt_id
where
    sampled_prompts.role = 'student'
    and is_in_scope(
        sampled_prompts.root_id, sampled_prompts.domain, $scope_domains, $scope_bounds, $scope_otherwise
    )
    and coalesce(drawn.samples, 0) < $samples
order by sampled_prompts.prompt_id
