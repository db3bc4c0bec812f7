-- In force: what a run goes by and what it ended on, said again where it is another one than before.
-- A policy or a release of before that comes back adds no decision and no release.

create table in_force (
    what varchar,     -- policy | release
    recipe varchar,   -- of a release: whose; null of a policy: the newest run's counts, whoever's
    id varchar,       -- its name; release_id
    run_id varchar,
    created_at timestamptz
);
-- A row without a word, taken out again by the next migration: of a table that never had one DuckLake
-- asks again at each scan, once a column.
insert into in_force (what) values (null);

create view current_in_force as
select what, recipe, id, run_id, created_at
from in_force
qualify row_number() over (partition by what, recipe order by created_at desc) = 1;

-- One row: the policy that was gone by last.
create or replace view latest_policy as
select policy
from (
    select policy, created_at from decision_tallies
    union all
    select id, created_at from in_force where what = 'policy'
)
order by created_at desc, policy
limit 1;

-- One row per recipe: the release that its `latest` leads to.
create view latest_releases as
select
    releases.release_id, releases.recipe, releases.version, releases.policy, releases.folder,
    releases.pairs, releases.validation_pairs, releases.simulated, releases.run_id,
    releases.created_at
from releases
left join current_in_force
    on
        current_in_force.what = 'release'
        and releases.recipe = current_in_force.recipe
        and releases.release_id = current_in_force.id
qualify row_number() over (
    partition by releases.recipe
    order by current_in_force.id is not null desc, releases.version desc
) = 1;
