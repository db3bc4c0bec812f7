-- One row per kept prompt in a range of ids and copy: the prompt, its key and the teacher response
-- that goes with it. The release is in the order of the marks: the second copy and the next ones, if
-- the weights ask for them, lie scattered among the first. A frozen domain keeps the responses it was
-- released with.
with pinned as (
    select release_pairs.response_id
    from release_pairs
    inner join prompts on release_pairs.prompt_id = prompts.prompt_id
    where
        release_pairs.release_id = $frozen_release
        and prompts.prompt_id >= $low
        and prompts.prompt_id < $high
        and list_contains($frozen::varchar[], coalesce(prompts.domain, 'none'))
),

chosen as (
    select
        offered.prompt_id,
        offered.response_id,
        offered.verdict
    from offered_responses($writer, $only_correct, $text_rules, $low, $high) as offered
    left join pinned on offered.response_id = pinned.response_id
    where offered.usable and (pinned.response_id is not null or offered.fit)
    qualify row_number() over (
        partition by offered.prompt_id
        order by
            pinned.response_id is not null desc,
            coalesce(offered.verdict = 'correct', false) desc,
            offered.sample_index,
            offered.response_id
    ) = 1
),

pairs as (
    select
        kept.*,
        left(sha256('["' || kept.prompt_id || '","' || chosen.response_id || '"]'), 32) as pair_id,
        chosen.response_id,
        chosen.verdict,
        coalesce(map($domains::varchar[], $domain_weights::double[])[kept.domain], 1)
        * coalesce(
            list_max(list_transform(
                kept.sources,
                lambda name: coalesce(map($sources::varchar[], $source_weights::double[])[name], 1)
            )),
            1
        ) as weight,
        split_of(kept.root_id, current_kin.anchor_id, $validation_below) as split
    from kept_prompts as kept
    inner join chosen on kept.prompt_id = chosen.prompt_id
    left join current_kin on kept.root_id = current_kin.root_id
    where kept.policy = $policy and kept.prompt_id >= $low and kept.prompt_id < $high
),

-- 1.5 epochs: every pair once, and each a second time with a chance of one half, by its hash.
counted as (
    select
        pairs.*,
        ('0x' || left(sha256('epoch:' || pair_id), 8))::ubigint / 4294967296.0 as chance
    from pairs
),

copied as (
    select
        counted.*,
        unnest(range(
            1,
            if($repeat and split = 'train', floor(weight)::bigint + (chance < weight % 1)::bigint, 1)
            + 1
        )) as copy
    from counted
)

select
    copied.pair_id,
    copied.copy,
    copied.weight,
    copied.prompt_id,
    copied.root_id,
    copied.response_id,
    copied.domain,
    copied.kind,
    copied.text,
    copied.choices,
    responses.content,
    responses.reasoning,
    responses.completion_tokens,
    copied.key,
    copied.answer_type,
    copied.key_source,
    current_difficulty.pass_rate,
    current_difficulty.low,
    current_difficulty.high,
    copied.licence,
    copied.source,
    copied.strategy,
    coalesce(responses.resolved_model, responses.model) as teacher,
    copied.verdict,
    copied.simulated or coalesce(responses.simulated, false) as simulated,
    copied.split,
    if(copied.copy = 1, copied.pair_id, left(sha256(copied.pair_id || ':' || copied.copy), 32)) as mark
from copied
inner join responses
    on
        copied.response_id = responses.response_id
        and responses.role = 'teacher'
        and responses.prompt_id >= $low
        and responses.prompt_id < $high
left join current_difficulty
    on
        copied.key_id = current_difficulty.key_id
        and copied.prompt_id = current_difficulty.prompt_id
        and current_difficulty.prompt_id >= $low
        and current_difficulty.prompt_id < $high
        and current_difficulty.student = $student
