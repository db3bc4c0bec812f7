-- One row per kept prompt in a range of ids: what a reinforcement learner needs to ask it and to check the answer,
-- and how each recorded sample of the student fared.
with sampled as (
    select
        responses.prompt_id,
        bool_or(coalesce(responses.simulated, false)) as simulated,
        list(
            struct_pack(
                response_id := responses.response_id,
                verdict := current_grades.verdict,
                completion_tokens := responses.completion_tokens
            )
            order by responses.sample_index, responses.response_id
        ) as samples
    from responses
    left join (
        select response_id, verdict
        from current_grades
        where prompt_id >= $low and prompt_id < $high
    ) as current_grades
        on responses.response_id = current_grades.response_id
    where
        responses.role = 'student'
        and responses.model = $student
        and responses.prompt_id >= $low
        and responses.prompt_id < $high
        and responses.response_id not in (
            select response_id from superseded_responses where prompt_id >= $low and prompt_id < $high
        )
    group by responses.prompt_id
)

select
    kept.prompt_id,
    kept.root_id,
    kept.domain,
    kept.kind,
    kept.strategy,
    kept.text,
    kept.choices,
    kept.tests,
    kept.key,
    kept.answer_type,
    kept.key_source,
    kept.licence,
    kept.source,
    kept.simulated or coalesce(sampled.simulated, false) as simulated,
    sampled.samples,
    current_difficulty.correct,
    current_difficulty.wrong,
    current_difficulty.pass_rate,
    current_difficulty.low,
    current_difficulty.high,
    split_of(kept.root_id, current_kin.anchor_id, $validation_below) as split
from kept_prompts as kept
left join current_kin on kept.root_id = current_kin.root_id
left join sampled on kept.prompt_id = sampled.prompt_id
left join current_difficulty
    on
        kept.key_id = current_difficulty.key_id
        and kept.prompt_id = current_difficulty.prompt_id
        and current_difficulty.prompt_id >= $low
        and current_difficulty.prompt_id < $high
        and current_difficulty.student = $student
where
    kept.policy = $policy
    and kept.key_source is distinct from 'rubric' -- No program can check those.
    and kept.prompt_id >= $low
    and kept.prompt_id < $high
order by kept.prompt_id
