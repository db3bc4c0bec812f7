-- One row per prompt that is a duplicate or has some: its cluster, named after its representative.
select prompt_id, min(representative_id) as cluster
from current_duplicates
where representative_id <> prompt_id
group by prompt_id
union
select representative_id as prompt_id, representative_id as cluster
from current_duplicates
where representative_id <> prompt_id
order by all
