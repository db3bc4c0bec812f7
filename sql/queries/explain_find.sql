-- One row per pair, prompt or response whose id begins with $prefix.
select 'pair' as kind, pair_id as id, prompt_id, response_id
from release_pairs
where starts_with(pair_id, $prefix)
union
select 'prompt' as kind, prompt_id as id, prompt_id, null as response_id
from prompts
where starts_with(prompt_id, $prefix)
union
select 'response' as kind, response_id as id, prompt_id, response_id
from responses
where starts_with(response_id, $prefix)
order by kind, id
limit 20;
