-- One row: the release of a recipe that was last published to a target.
select release_id, place
from publications
where target = $target and endpoint is not distinct from $endpoint::varchar and recipe = $recipe
order by created_at desc
limit 1;
