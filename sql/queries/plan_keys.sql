-- One row per domain: prompts without an answer that the reference model has answered, how many of
-- them got a key that is trusted, how many votes were not believed without a second model, how many
-- of these it was shown, and how many it confirmed.
select
    prompts.domain,
    count(*)::bigint as prompts,
    count(*) filter (current_keys.trusted)::bigint as trusted,
    count(*) filter (
        current_keys.source = 'plurality'
        and (not current_keys.trusted or current_keys.confirmer is not null)
    )::bigint as doubted,
    count(*) filter (current_keys.confirmer is not null)::bigint as shown,
    count(*) filter (
        current_keys.confirmer is not null and current_keys.trusted
    )::bigint as confirmed
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
