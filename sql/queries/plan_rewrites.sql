-- One row per template and domain of the parent: the rewriter's calls, how many were followed up
-- and how many ended their exchange (over), with a draft that passed the gates, and accepted.
with replies as (
    select
        current_rewrites.template,
        current_rewrites.parent_id,
        current_rewrites.accepted or current_rewrites.reason = 'unconfirmed' as is_draft,
        current_rewrites.accepted,
        current_rewrites.reason = 'continued' as is_continued
    from current_rewrites
    semi join responses
        on current_rewrites.response_id = responses.response_id and responses.model = $model
    union all
    select template, prompt_id, false, false, false
    from failures
    where role = 'rewriter' and model = $model and list_contains($permanent, failure)
)

select
    replies.template,
    prompts.domain,
    count(*)::bigint as calls,
    count(*) filter (replies.is_continued)::bigint as continued,
    count(*) filter (not replies.is_continued)::bigint as over,
    count(*) filter (replies.is_draft)::bigint as drafts,
    count(*) filter (replies.accepted)::bigint as accepted
from replies
inner join prompts on replies.parent_id = prompts.prompt_id
group by all
order by all
