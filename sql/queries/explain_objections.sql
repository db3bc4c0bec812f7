-- One row per standing objection to a prompt or to a response to it.
select response_id, source, version, reason, detail, below, created_at
from current_objections
where prompt_id = $prompt_id and reason is not null
order by response_id nulls first, source;
