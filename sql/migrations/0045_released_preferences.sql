-- Which answers a release has set against each other, and what a new benchmark taints among them.

create table release_preferences (
    release_id varchar,
    prompt_id varchar,
    chosen_id varchar,        -- response_id of the right answer
    rejected_id varchar       -- response_id of the wrong one
);

-- A preference pair goes by the id of its prompt's pair in the same release, or where there is none
-- by its prompt's, so that a prompt counts once.
create or replace view tainted_releases as
with released as (
    select release_id, pair_id, prompt_id, response_id
    from release_pairs
    union all
    select
        preferences.release_id,
        coalesce(pairs.pair_id, preferences.prompt_id) as pair_id,
        preferences.prompt_id,
        unnest([preferences.chosen_id, preferences.rejected_id]) as response_id
    from release_preferences as preferences
    left join (
        select release_id, prompt_id, min(pair_id) as pair_id
        from release_pairs
        group by release_id, prompt_id
    ) as pairs
        on preferences.release_id = pairs.release_id and preferences.prompt_id = pairs.prompt_id
)

select distinct
    releases.recipe,
    releases.version,
    releases.release_id,
    released.pair_id,
    tainting.prompt_id,
    tainting.response_id,
    tainting.benchmark,
    tainting.item_id,
    tainting.method,
    tainting.score,
    tainting.span
from released
inner join releases on released.release_id = releases.release_id
inner join tainting
    on
        released.prompt_id = tainting.prompt_id
        and coalesce(tainting.response_id, released.response_id) = released.response_id;
