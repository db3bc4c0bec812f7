-- One row per prompt: everything its decision is made of.
with hits as (
    select prompt_id, item_id, benchmark, method, score
    from tainting
    where response_id is null
    qualify row_number() over (
        partition by prompt_id
        order by
            list_position(['13-gram', 'exact', '7-gram', 'tulu', 's1', 'similar', 'code', 'embedding'], method),
            score desc,
            benchmark,
            item_id
    ) = 1
),

doubles as (
    select prompt_id, representative_id, method, score
    from current_duplicates
    where representative_id <> prompt_id
    qualify row_number() over (
        partition by prompt_id
        order by list_position(['exact', 'minhash', 'embedding'], method), representative_id
    ) = 1
),

taught as (
    select
        prompt_id,
        count(*) as responses,
        count(*) filter (where usable) as usable,
        count(*) filter (where usable and verdict = 'correct') as correct,
        count(*) filter (where fit) as fit,
        -- What the response breaks that would have been released.
        arg_min(
            struct_pack(rule := rule, detail := detail),
            (not coalesce(verdict = 'correct', false), sample_index, response_id)
        ) filter (where eligible and rule is not null) as fault
    from offered_responses($writer, $only_correct, $text_rules, '', 'g')
    where ours
    group by prompt_id
)

select
    prompts.prompt_id,
    prompts.root_id,
    prompts.parent_id,
    prompts.strategy,
    prompts.kind,
    prompts.domain,
    prompts.answer_type,
    withdrawn_prompts.reason
    || ', says version ' || withdrawn_prompts.acceptance || ' of the gates: '
    || coalesce(withdrawn_prompts.detail, '') as withdrawn,
    removed_roots.detail as removed,
    list_min(prompt_origins.sources) as source,
    doubles.representative_id as duplicate_of,
    doubles.method as duplicate_method,
    doubles.score as duplicate_score,
    hits.item_id,
    hits.benchmark,
    hits.method,
    prompt_origins.licences,
    hits.score,
    current_keys.trusted,
    current_keys.source as key_source,
    current_keys.share as key_share,
    current_keys.confirming as key_confirming,
    current_keys.confirmations as key_confirmations,
    current_votes.votes,
    current_votes.samples as voted,
    current_reviews.refusal,
    coalesce(current_difficulty.correct, 0) as correct,
    coalesce(current_difficulty.wrong, 0) as wrong,
    coalesce(current_difficulty.truncated, 0) as truncated,
    coalesce(current_difficulty.unverifiable, 0) as unverifiable,
    current_difficulty.reference_rate,
    coalesce(current_difficulty.reference_decided, 0) as reference_decided,
    coalesce(taught.responses, 0) as teacher_responses,
    coalesce(taught.correct, 0) as teacher_correct,
    coalesce(taught.usable, 0) as teacher_usable,
    coalesce(taught.fit, 0) as teacher_fit,
    taught.fault.rule as teacher_fault,
    taught.fault.detail as teacher_fault_detail
from prompts
left join withdrawn_prompts on prompts.prompt_id = withdrawn_prompts.prompt_id
left join doubles on prompts.prompt_id = doubles.prompt_id
left join hits on prompts.prompt_id = hits.prompt_id
left join prompt_origins on prompts.root_id = prompt_origins.root_id
left join current_keys on prompts.prompt_id = current_keys.prompt_id
left join current_difficulty
    on
        current_keys.key_id = current_difficulty.key_id
        and prompts.prompt_id = current_difficulty.prompt_id
        and current_difficulty.student = $student
left join current_votes
    on prompts.prompt_id = current_votes.prompt_id and current_votes.voter = 'reference'
left join current_reviews on prompts.prompt_id = current_reviews.prompt_id
left join removed_roots on prompts.root_id = removed_roots.root_id
left join taught on prompts.prompt_id = taught.prompt_id
order by prompts.prompt_id
