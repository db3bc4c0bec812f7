-- One row per target that a release was published to: where it is found there.
select target, place, max(created_at) as published_at
from publications
where release_id = $release_id
group by all
order by place;
