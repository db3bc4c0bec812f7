-- One row: how many rewriter's responses this version of the acceptance has not judged yet.
select count(*)::bigint as responses
from responses
semi join spendable_prompts on responses.prompt_id = spendable_prompts.prompt_id
where
    role = 'rewriter'
    and not exists (
        select 1
        from rewrites
        where
            rewrites.response_id = responses.response_id
            and coalesce(rewrites.acceptance, 1) >= $acceptance
    )
