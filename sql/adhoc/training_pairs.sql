-- What is in the newest release? Its pairs, e.g. to read through a few of them.
-- teachset explain PAIR_ID tells where one of them comes from.
select pair_id, split, domain, kind, prompt, response
from pairs
where version = (select max(version) from releases)
order by pair_id
limit 20;
