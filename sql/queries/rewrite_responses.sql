-- One row per rewriter's response on a usable parent in a range of ids that this version of the
-- acceptance has not judged yet.
select
    responses.response_id,
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
    prompts.answer,
    prompts.answer_type,
    prompts.program,
    prompts.reference
from responses
inner join prompts on responses.prompt_id = prompts.prompt_id
semi join spendable_prompts on responses.prompt_id = spendable_prompts.prompt_id
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
order by prompts.root_id, responses.template, responses.sample_index, responses.response_id
