-- One row per kept prompt: the prompt, its key and the teacher response that is released with it.
with origins as (
    select
        prompt_id as root_id,
        array_to_string(list_sort(list_distinct(list(licence))), ', ') as licence,
        array_to_string(list_sort(list_distinct(list(source))), ', ') as source
    from prompt_sources
    group by prompt_id
),

chosen as (
    select prompt_id, response_id, verdict
    from teacher_responses
    where
        usable
        and (model = $teacher or server = 'import')
        and (verdict = 'correct' or not $only_correct)
    qualify row_number() over (
        partition by prompt_id
        order by coalesce(verdict = 'correct', false) desc, sample_index, response_id
    ) = 1
)

select
    left(sha256('["' || prompts.prompt_id || '","' || chosen.response_id || '"]'), 32) as pair_id,
    prompts.prompt_id,
    prompts.root_id,
    chosen.response_id,
    prompts.domain,
    prompts.kind,
    prompts.text,
    prompts.choices,
    responses.content,
    responses.reasoning,
    current_keys.answer as key,
    current_keys.answer_type,
    current_keys.source as key_source,
    current_difficulty.pass_rate,
    current_difficulty.low,
    current_difficulty.high,
    nullif(origins.licence, '') as licence,
    nullif(origins.source, '') as source,
    prompts.strategy,
    coalesce(responses.resolved_model, responses.model) as teacher,
    chosen.verdict,
    coalesce(prompts.simulated, false) or coalesce(responses.simulated, false) as simulated,
    if(
        left(sha256('split:' || prompts.root_id), 8) < $validation_below, 'validation', 'train'
    ) as split
from current_decisions
inner join prompts on current_decisions.prompt_id = prompts.prompt_id
inner join chosen on current_decisions.prompt_id = chosen.prompt_id
inner join responses on chosen.response_id = responses.response_id
left join current_keys on current_decisions.prompt_id = current_keys.prompt_id
left join current_difficulty
    on
        current_keys.key_id = current_difficulty.key_id
        and current_decisions.prompt_id = current_difficulty.prompt_id
        and current_difficulty.student = $student
left join origins on prompts.root_id = origins.root_id
where current_decisions.policy = $policy and current_decisions.kept
order by split, pair_id
