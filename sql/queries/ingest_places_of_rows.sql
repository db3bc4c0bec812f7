-- One row per place in a range of a file's rows that a seed was read from before, and the last word on it.
select prompt_id, row_number, source, licence, external_id, row_gone
from known_sources
where uri = $uri and row_number between $first and $last
