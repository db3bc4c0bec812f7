-- warning: A response that ended by itself says something.
select response_id, 'blank, ended by ' || coalesce(finish_reason, 'an unknown reason') as detail
from responses
where
    finish_reason is distinct from 'length'
    and not coalesce(regexp_matches(content, '\S'), false)
order by response_id
