-- One row per rewriter's response on a usable parent in a range of ids that this version of the
-- acceptance has not judged yet.
select
    responses.response_id,
    responses.reuse_key,
    responses.template,
    responses.sample_index,
    responses.content,
    responses.finish_reason,
    responses.simulated,
    prompts.prompt_id,
    prompts.root_id,
    prompts.domain,
    prompts.text,
    prompts.choices,
    coalesce(mended.answer, prompts.answer) as answer,
    coalesce(mended.answer_type, prompts.answer_type) as answer_type,
    prompts.program,
    prompts.reference,
    prompts.tests
from responses
inner join prompts on responses.prompt_id = prompts.prompt_id
semi join (
    select prompt_id from spendable_prompts where prompt_id >= $low and prompt_id < $high
) as spendable on prompts.prompt_id = spendable.prompt_id
left join current_mended_answers as mended on prompts.prompt_id = mended.prompt_id
where
    responses.role = 'rewriter'
    and prompts.prompt_id >= $low
    and prompts.prompt_id < $high
    and not exists (
        select 1
        from rewrites
        where
            rewrites.response_id = responses.response_id
            and coalesce(rewrites.acceptance, 1) >= $acceptance
    )
order by
    -- A root has room for a few: its strategies take turns, in an order of the root's own.
    prompts.root_id,
    responses.sample_index,
    md5(prompts.root_id || split_part(responses.template, '@', 1)),
    responses.response_id
