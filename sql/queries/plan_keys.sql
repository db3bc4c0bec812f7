-- One row per domain: prompts without an answer that the reference model has answered, and how many
-- of them got a key that is trusted.
select
    prompts.domain,
    count(*)::bigint as prompts,
    count(*) filter (current_keys.trusted)::bigint as trusted
from prompts
semi join responses
    on
        prompts.prompt_id = responses.prompt_id
        and responses.role = 'reference'
        and responses.model = $model
left join current_keys on prompts.prompt_id = current_keys.prompt_id
where prompts.answer is null and prompts.answer_type not in ('open', 'code')
group by all
order by all
