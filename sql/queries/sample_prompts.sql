-- One row per prompt in a range of ids that a role should answer.
select
    sampled_prompts.prompt_id,
    sampled_prompts.text,
    sampled_prompts.choices,
    sampled_prompts.answer_type,
    prompts.domain
from sampled_prompts
inner join prompts on sampled_prompts.prompt_id = prompts.prompt_id
where
    role = $role
    and sampled_prompts.prompt_id >= $low
    and sampled_prompts.prompt_id < $high
    and ($answered_too or not has_answer or right(sampled_prompts.prompt_id, 8) < $gold_below)
    and ($role <> 'student' or keyed or ($keyless_too and not has_answer))
order by sampled_prompts.prompt_id
