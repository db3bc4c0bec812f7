-- critical: Every prompt has an id, a root, a text and known values of kind and answer type.
select
    prompt_id,
    case
        when prompt_id is null then 'no id'
        when root_id is null then 'no root'
        when not coalesce(regexp_matches(text, '\S'), false) then 'no text'
        when coalesce(kind not in ('seed', 'rewrite'), true) then 'kind ' || coalesce(kind, 'missing')
        else 'answer type ' || coalesce(answer_type, 'missing')
    end as detail
from prompts
where
    prompt_id is null
    or root_id is null
    or not coalesce(regexp_matches(text, '\S'), false)
    or coalesce(kind not in ('seed', 'rewrite'), true)
    or coalesce(answer_type not in (
        'number', 'expression', 'choice', 'text', 'date', 'quantity', 'json', 'code', 'open'
    ), true)
order by prompt_id
