-- One row: whether seeds were read from this file before.
select exists (select 1 from prompt_sources where uri = $uri) as has_places
