-- One row: the release that a recipe's `latest` leads to.
select release_id, version, folder, pairs, validation_pairs, simulated, run_id, created_at
from latest_releases
where recipe = $recipe;
