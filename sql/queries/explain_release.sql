-- One row: the newest release of a recipe.
select release_id, version, folder, pairs, validation_pairs, simulated, run_id, created_at
from releases
where recipe = $recipe
order by version desc
limit 1;
