-- One row: how many prompts in a range of ids the teacher is to answer in this round, and about how many
-- calls that still takes: those of sql/queries/teach_prompts.sql, less the samples that are drawn.
with drawn as (
    select
        prompt_id,
        count(distinct sample_index) as samples
    from responses
    where
        role = 'teacher'
        and model = $writer
        and sample_index >= $begin
        and sample_index < $until
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
            least($until, $samples - coalesce(imported.samples, 0))
            - $begin
            - coalesce(drawn.samples, 0),
            0
        )),
        0
    )::bigint as calls
from current_decisions
semi join scoped_prompts($low, $high, $scope_domains, $scope_bounds, $scope_otherwise) as scoped
    on current_decisions.prompt_id = scoped.prompt_id
left join drawn on current_decisions.prompt_id = drawn.prompt_id
left join imported_samples('teacher', null, $low, $high) as imported
    on current_decisions.prompt_id = imported.prompt_id
anti join (
    select prompt_id
    from answered_lessons(
        $writer, $only_correct, $text_rules, $permanent, $even_awaited, $low, $high
    )
    where not $even_if_fit
) as answered
    on current_decisions.prompt_id = answered.prompt_id
where
    current_decisions.policy = $policy
    and current_decisions.prompt_id >= $low
    and current_decisions.prompt_id < $high
    and (current_decisions.kept or current_decisions.stage = 'teach')
    and $begin < least($until, $samples - coalesce(imported.samples, 0))
    and current_decisions.prompt_id not in (
        select prompt_id
        from prompts
        where
            list_contains($unjudged::varchar[], answer_type)
            and len(tests) > 0 -- Without any it was a rubric that accepted it.
            and prompt_id >= $low
            and prompt_id < $high
    )
