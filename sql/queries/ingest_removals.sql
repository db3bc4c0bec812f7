-- One row per seed that no file has any more, or that one has again, where the last word on it is another.
with absent as (
    select prompt_id from current_source_words where gone
    union
    select prompt_id from prompt_sources where uri in (select unnest($gone::varchar[]))
),

places as (
    select
        known_sources.prompt_id,
        known_sources.uri,
        known_sources.row_number,
        list_contains($gone::varchar[], known_sources.uri) as file_gone,
        known_sources.row_gone
    from known_sources
    semi join absent on known_sources.prompt_id = absent.prompt_id
),

removed as (
    select
        prompt_id as root_id,
        arg_min(
            uri || if(
                file_gone,
                ' is named by the recipe no more',
                ' does not have it in row ' || row_number || ' any more'
            ),
            (uri, row_number)
        ) as detail
    from places
    group by prompt_id
    having bool_and(file_gone or row_gone)
)

select
    coalesce(removed.root_id, said.root_id) as root_id,
    removed.root_id is not null as removed,
    removed.detail
from removed
full join current_removals as said on removed.root_id = said.root_id
where
    (removed.root_id is not null) <> coalesce(said.removed, false)
    or removed.detail is distinct from said.detail
order by all
