-- Which keys deserve a look? Gold answers that the reference model contradicts on every sample.
select
    prompts.domain,
    prompts.text,
    current_keys.answer as gold,
    mode(current_grades.extracted) as reference_says,
    count(*) as samples,
    prompts.prompt_id
from current_keys
inner join prompts on current_keys.prompt_id = prompts.prompt_id
inner join responses
    on current_keys.prompt_id = responses.prompt_id and responses.role = 'reference'
inner join current_grades on responses.response_id = current_grades.response_id
where current_keys.source = 'gold'
group by all
having bool_and(current_grades.verdict = 'wrong') and count(*) >= 3
order by prompts.domain, prompts.prompt_id;
