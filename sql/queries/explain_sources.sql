-- One row per place that a prompt was read from, and whether it was there at the last reading.
select source, licence, uri, row_number, external_id, gone
from known_sources
where prompt_id = $prompt_id
order by uri, row_number;
