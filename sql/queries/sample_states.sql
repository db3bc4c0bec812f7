-- One row per prompt in a range of ids that a role should answer: what its samples have shown so
-- far. A call that failed for good counts as drawn, a response made elsewhere as one of any index.
with asked as (
    select prompt_id, domain, answer_type
    from sampled_prompts
    where
        is_in_scope(root_id, domain, $scope_domains, $scope_bounds, $scope_otherwise)
        and role = $role
        and not list_contains($unjudged::varchar[], answer_type)
        and prompt_id >= $low
        and prompt_id < $high
        and ($answered_too or not has_answer or right(prompt_id, 8) < $gold_below)
        and ($role <> 'student' or keyed or ($keyless_too and not has_answer))
),

calls as (
    select prompt_id, sample_index
    from responses
    where
        role = $role
        and model = $model
        and template = $template
        and prompt_id >= $low
        and prompt_id < $high
        and response_id not in (
            select response_id from superseded_responses where prompt_id >= $low and prompt_id < $high
        )
    union
    select prompt_id, sample_index
    from failures
    where
        role = $role
        and model = $model
        and template = $template
        and list_contains($permanent, failure)
        and (form is null or form in (select form from current_forms))
        and prompt_id >= $low
        and prompt_id < $high
),

drawn as (select prompt_id, count(*) as samples from calls group by prompt_id),

left_forms as (select form from forms except select form from current_forms),

graded as (
    select
        prompt_id,
        count(*) filter (where verdict = 'correct') as correct,
        count(*) filter (where verdict = 'wrong') as wrong
    from current_grades
    where
        $role = 'student'
        and role = 'student'
        and model = $model
        and prompt_id >= $low
        and prompt_id < $high
        and response_id not in (
            select response_id from superseded_responses where prompt_id >= $low and prompt_id < $high
        )
    group by prompt_id
)

select
    asked.prompt_id,
    asked.domain,
    asked.answer_type,
    coalesce(drawn.samples, 0)::bigint as drawn,
    coalesce(imported.samples, 0)::bigint as imported,
    coalesce(graded.correct, 0)::bigint as correct,
    coalesce(graded.wrong, 0)::bigint as wrong,
    coalesce(current_votes.votes, 0)::bigint as votes,
    coalesce(current_votes.runner_up, 0)::bigint as runner_up
from asked
left join drawn on asked.prompt_id = drawn.prompt_id
left join imported_samples($role, $model, $low, $high) as imported
    on asked.prompt_id = imported.prompt_id
left join graded on asked.prompt_id = graded.prompt_id
left join current_votes
    on
        asked.prompt_id = current_votes.prompt_id
        and current_votes.voter = 'reference'
        -- Votes in a form that was left settle nothing, though they stand until there are others.
        and coalesce(current_votes.form, '') not in (select form from left_forms)
        and current_votes.prompt_id >= $low
        and current_votes.prompt_id < $high
order by asked.prompt_id
