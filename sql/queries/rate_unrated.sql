-- One row per response of the teacher on a domain's prompt that none of the judges in force has rated
-- on a rubric though it should be.
select prompt_id, response_id
from rateable_responses
where
    (model = $writer or server = 'import')
    and domain = $domain
    and right(prompt_id, 8) < $share_below
    and response_id not in (
        select ratings.response_id
        from ratings
        where
            ratings.template = $template
            and ratings.judge in (select unnest($judges::varchar[]))
            and ratings.vote < $votes
            and ratings.response_id is not null
    )
order by prompt_id, response_id
