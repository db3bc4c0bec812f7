-- One row per prompt of a sample; ids are hashes, so the smallest ones are a random sample.
select prompt_id, text, choices
from prompts
order by prompt_id
limit $most
