-- One row per vote of a judge that counts on a rubric as it is asked now.
select prompt_id, response_id, scores, screened
from ratings
where
    template = $template
    and judge in (select unnest($judges::varchar[]))
    and vote < $votes
order by prompt_id, response_id, judge, vote
