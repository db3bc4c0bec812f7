-- One row per strategy: an accepted rewrite, the first by its id, beside what it was made of.
select
    made.strategy,
    made.prompt_id,
    made.text,
    made.answer,
    parents.text as parent_text,
    parents.answer as parent_answer,
    parents.choices as parent_choices
from prompts as made
inner join prompts as parents on made.parent_id = parents.prompt_id
inner join current_rewrites
    on made.made_by = current_rewrites.response_id and current_rewrites.accepted
where made.kind = 'rewrite'
qualify row_number() over (partition by made.strategy order by made.prompt_id) = 1
order by made.strategy
