-- One row per unfinished batch at a server that holds requests of a role on some of these prompts.
select
    batch_id,
    count(*)::bigint as requests
from held_requests
where
    role = $role
    and server = $server
    and prompt_id in (select unnest($prompt_ids))
group by batch_id
