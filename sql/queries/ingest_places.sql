-- One row per place of a file where its last reading found a seed, and what it said of it.
select prompt_id, uri, row_number, source, licence, external_id
from known_sources
where uri = $uri and not row_gone
