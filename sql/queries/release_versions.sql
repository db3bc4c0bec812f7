-- One row per release of one recipe.
select release_id, version, gate
from releases
where recipe = $recipe
order by version
