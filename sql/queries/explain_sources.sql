-- One row per place that a prompt was read from.
select source, licence, uri, row_number, external_id
from prompt_sources
where prompt_id = $prompt_id
order by uri, row_number;
