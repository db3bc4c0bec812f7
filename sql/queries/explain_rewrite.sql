-- One row per rewriter's response that proposed a prompt, and what became of it.
select
    rewrites.response_id, rewrites.strategy, rewrites.template, rewrites.accepted, rewrites.reason,
    rewrites.detail, responses.model, responses.server, responses.attempts, responses.prompt_tokens,
    responses.completion_tokens, responses.cost_usd, responses.created_at
from rewrites
left join responses on rewrites.response_id = responses.response_id
where rewrites.prompt_id = $prompt_id
order by rewrites.accepted desc, rewrites.response_id;
