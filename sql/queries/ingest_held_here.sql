-- One row per prompt of the given ids that no other file has than this one and those that the recipe
-- names no more.
select prompts.prompt_id, prompts.answer_type
from prompts
where
    prompts.prompt_id in (select unnest($ids::varchar[]))
    and prompts.prompt_id not in (
        select current_sources.prompt_id
        from current_sources
        where
            current_sources.prompt_id in (select unnest($ids::varchar[]))
            and current_sources.uri <> $uri
            and current_sources.uri not in (select unnest($leaving::varchar[]))
    )
order by prompts.prompt_id
