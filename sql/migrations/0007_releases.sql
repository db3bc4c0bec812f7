-- What releases read: where a root comes from, and the prompts a policy keeps with their keys.

create view prompt_origins as
select
    prompt_id as root_id,
    array_to_string(list_sort(list_distinct(list(licence))), ', ') as licence,
    array_to_string(list_sort(list_distinct(list(source))), ', ') as source,
    list_sort(list_distinct(list(coalesce(nullif(trim(licence), ''), 'unknown')))) as licences,
    list_sort(list_distinct(list(source))) as sources
from prompt_sources
group by prompt_id;

create view kept_prompts as
select
    current_decisions.policy,
    prompts.prompt_id,
    prompts.root_id,
    prompts.domain,
    prompts.kind,
    prompts.strategy,
    prompts.text,
    prompts.choices,
    prompts.tests,
    coalesce(prompts.simulated, false) as simulated,
    current_keys.key_id,
    current_keys.answer as key,
    current_keys.answer_type,
    current_keys.source as key_source,
    nullif(prompt_origins.licence, '') as licence,
    nullif(prompt_origins.source, '') as source,
    prompt_origins.sources
from current_decisions
inner join prompts on current_decisions.prompt_id = prompts.prompt_id
left join current_keys on current_decisions.prompt_id = current_keys.prompt_id
left join prompt_origins on prompts.root_id = prompt_origins.root_id
where current_decisions.kept;
