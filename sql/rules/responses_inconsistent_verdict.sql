-- critical: One answer to one prompt has one verdict of a verifier, whoever gave it.
select
    min(grades.response_id) as response_id,
    'the answer ' || left(grades.extracted, 60) || ' is both correct and wrong' as detail
from grades
inner join responses on grades.response_id = responses.response_id
where
    grades.verdict in ('correct', 'wrong')
    -- Programs may be judged by the clock; what is longer was cut when it was stored.
    and grades.verifier <> 'code'
    and length(grades.extracted) < 2000
group by responses.prompt_id, grades.key_id, grades.verifier, grades.version, grades.extracted
having count(distinct grades.verdict) > 1
order by response_id
