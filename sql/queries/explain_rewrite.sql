-- One row per rewriter's response that proposed a prompt, and the last word on it.
select
    current_rewrites.response_id, current_rewrites.strategy, current_rewrites.template,
    current_rewrites.accepted, current_rewrites.reason, current_rewrites.detail,
    current_rewrites.acceptance,
    current_rewrites.response_id is not distinct from prompts.made_by as is_maker,
    responses.model, responses.server, responses.attempts, responses.prompt_tokens,
    responses.completion_tokens, responses.cost_usd, responses.created_at
from current_rewrites
inner join prompts
    on
        current_rewrites.prompt_id = prompts.prompt_id
        or current_rewrites.response_id = prompts.made_by
left join responses on current_rewrites.response_id = responses.response_id
where prompts.prompt_id = $prompt_id
order by current_rewrites.accepted desc, current_rewrites.response_id;
