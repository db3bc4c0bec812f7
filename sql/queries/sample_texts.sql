-- One row per prompt from the first id to the last: what whoever is sampled reads of it.
select prompt_id, text, choices
from prompts
where prompt_id between $first and $last
