-- One row per standing objection whose source asks otherwise now, has another bar, or is no more.
select prompt_id, response_id, source, version
from current_objections
where
    reason is not null
    and version not in (select unnest($versions::varchar[]))
order by prompt_id, response_id, source
