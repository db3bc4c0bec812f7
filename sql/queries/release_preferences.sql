-- One row per kept prompt in a range of ids: the right and the wrong recorded answer that are nearest in length of
-- those that nothing is known against, or why there are none. Answers with and without reasoning are never set against
-- each other. `passed_over` is what the nearest two of all are passed over for.
with unfit as (
    select response_id, 'benchmark_item' as fault
    from tainting
    where prompt_id >= $low and prompt_id < $high and response_id is not null
    union
    select response_id, rule as fault
    from text_faults
    where rules = $text_rules
    union
    select response_id, reason as fault
    from current_objections
    where prompt_id >= $low and prompt_id < $high and response_id is not null and reason is not null
),

answers as (
    select
        responses.prompt_id,
        responses.response_id,
        current_grades.verdict,
        (select min(fault) from unfit where unfit.response_id = responses.response_id) as fault,
        $with_reasoning and regexp_matches(coalesce(responses.reasoning, ''), '\S') as thinks,
        length(responses.content)
        + if($with_reasoning, length(coalesce(responses.reasoning, '')), 0) as size
    from responses
    inner join (
        select response_id, verdict
        from current_grades
        where prompt_id >= $low and prompt_id < $high
    ) as current_grades
        on responses.response_id = current_grades.response_id
    where
        list_contains($roles::varchar[], responses.role)
        and responses.prompt_id >= $low
        and responses.prompt_id < $high
        and ($among is null or list_contains($among::varchar[], responses.prompt_id))
        and (responses.model in ($student, $writer) or responses.server = 'import')
        and responses.template is distinct from 'adopted' -- It is there as the student's.
        and current_grades.verdict in ('correct', 'wrong')
        and responses.finish_reason is distinct from 'length'
        and regexp_matches(coalesce(responses.content, ''), '\S')
        and responses.response_id not in (
            select response_id from superseded_responses where prompt_id >= $low and prompt_id < $high
        )
),

counted as (
    select
        prompt_id,
        count(*) filter (where verdict = 'correct') as correct,
        count(*) filter (where verdict = 'wrong') as wrong
    from answers
    group by prompt_id
),

twos as (
    select
        chosen.prompt_id,
        chosen.response_id as chosen_id,
        rejected.response_id as rejected_id,
        greatest(chosen.size, rejected.size) / least(chosen.size, rejected.size) as length_ratio,
        coalesce(chosen.fault, rejected.fault) as fault,
        row_number() over (
            partition by chosen.prompt_id
            order by length_ratio, chosen.response_id, rejected.response_id
        ) as place,
        row_number() over (
            partition by chosen.prompt_id, coalesce(chosen.fault, rejected.fault) is null
            order by length_ratio, chosen.response_id, rejected.response_id
        ) as place_of_its_kind
    from answers as chosen
    inner join answers as rejected
        on chosen.prompt_id = rejected.prompt_id and chosen.thinks = rejected.thinks
    where chosen.verdict = 'correct' and rejected.verdict = 'wrong'
)

select
    kept.prompt_id,
    kept.root_id,
    kept.domain,
    kept.kind,
    kept.strategy,
    kept.text,
    kept.choices,
    kept.key,
    kept.answer_type,
    kept.key_source,
    kept.licence,
    kept.source,
    kept.simulated or coalesce(chosen.simulated or rejected.simulated, false) as simulated,
    current_difficulty.pass_rate,
    current_difficulty.low,
    current_difficulty.high,
    case
        when coalesce(counted.correct, 0) = 0 then 'no_right_answer'
        when counted.wrong = 0 then 'no_wrong_answer'
        when nearest.chosen_id is null then 'reasoning_on_one_side_only'
        when nearest.length_ratio > $max_length_ratio then 'too_different_in_length'
        when matched.chosen_id is null or matched.length_ratio > $max_length_ratio then nearest.fault
    end as missing,
    if(nearest.length_ratio <= $max_length_ratio, nearest.fault, null) as passed_over,
    matched.length_ratio,
    chosen.response_id as chosen_id,
    coalesce(chosen.resolved_model, chosen.model) as chosen_model,
    chosen.content as chosen_content,
    chosen.reasoning as chosen_reasoning,
    rejected.response_id as rejected_id,
    coalesce(rejected.resolved_model, rejected.model) as rejected_model,
    rejected.content as rejected_content,
    rejected.reasoning as rejected_reasoning,
    matched.chosen_id in (select text_id from screened where screen = $text_rules) as chosen_judged,
    matched.rejected_id in (select text_id from screened where screen = $text_rules) as rejected_judged,
    matched.chosen_id in (
        select text_id from compared_texts($screen, $benchmarks)
    ) as chosen_compared,
    matched.rejected_id in (
        select text_id from compared_texts($screen, $benchmarks)
    ) as rejected_compared,
    split_of(kept.root_id, current_kin.anchor_id, $validation_below) as split
from kept_prompts as kept
left join current_kin on kept.root_id = current_kin.root_id
left join counted on kept.prompt_id = counted.prompt_id
left join twos as nearest on kept.prompt_id = nearest.prompt_id and nearest.place = 1
left join twos as matched
    on
        kept.prompt_id = matched.prompt_id
        and matched.fault is null
        and matched.place_of_its_kind = 1
left join responses as chosen
    on
        matched.chosen_id = chosen.response_id
        and chosen.prompt_id >= $low
        and chosen.prompt_id < $high
left join responses as rejected
    on
        matched.rejected_id = rejected.response_id
        and rejected.prompt_id >= $low
        and rejected.prompt_id < $high
left join current_difficulty
    on
        kept.key_id = current_difficulty.key_id
        and kept.prompt_id = current_difficulty.prompt_id
        and current_difficulty.prompt_id >= $low
        and current_difficulty.prompt_id < $high
        and current_difficulty.student = $student
where
    kept.policy = $policy
    and kept.prompt_id >= $low
    and kept.prompt_id < $high
    and ($among is null or list_contains($among::varchar[], kept.prompt_id))
order by kept.prompt_id
