-- One row per template and domain of the parent: the rewriter's calls that are over, how many of
-- them gave a draft that passed the gates, and how many an accepted rewrite.
with over as (
    select
        current_rewrites.template,
        current_rewrites.parent_id,
        current_rewrites.accepted or current_rewrites.reason = 'unconfirmed' as is_draft,
        current_rewrites.accepted
    from current_rewrites
    semi join responses
        on current_rewrites.response_id = responses.response_id and responses.model = $model
    union all
    select template, prompt_id, false, false
    from failures
    where role = 'rewriter' and model = $model and list_contains($permanent, failure)
)

select
    over.template,
    prompts.domain,
    count(*)::bigint as calls,
    count(*) filter (over.is_draft)::bigint as drafts,
    count(*) filter (over.accepted)::bigint as accepted
from over
inner join prompts on over.parent_id = prompts.prompt_id
group by all
order by all
