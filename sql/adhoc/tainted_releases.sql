-- Which pairs of which releases hold an item of a benchmark that counts now? With the words shared.
select recipe, version, pair_id, benchmark, item_id, method, round(score, 3) as score, span
from tainted_releases
order by recipe, version desc, pair_id, method, score desc
