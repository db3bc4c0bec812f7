-- One row per response to a prompt, with the verdict that counts now.
select
    responses.response_id, responses.role, responses.model, responses.resolved_model,
    responses.server, responses.sample_index, responses.finish_reason, responses.content,
    responses.reasoning, responses.prompt_tokens, responses.completion_tokens, responses.cost_usd,
    current_grades.verdict, current_grades.extracted, current_grades.verifier,
    current_grades.version, current_grades.reason, responses.simulated, responses.created_at,
    responses.response_id in (
        select response_id from superseded_responses where prompt_id = $prompt_id
    ) as superseded
from responses
left join (from current_grades where prompt_id = $prompt_id) as current_grades
    on responses.response_id = current_grades.response_id
where responses.prompt_id = $prompt_id and responses.role <> 'embedder'
order by responses.role, responses.model, responses.sample_index, responses.response_id;
