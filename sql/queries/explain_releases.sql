-- One row per released pair of a prompt.
select
    releases.recipe, releases.version, release_pairs.pair_id, release_pairs.split,
    release_pairs.response_id, releases.folder, releases.policy, releases.created_at
from release_pairs
inner join releases on release_pairs.release_id = releases.release_id
where release_pairs.prompt_id = $prompt_id
order by releases.recipe, releases.version desc, release_pairs.pair_id;
