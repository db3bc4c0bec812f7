-- One row per release that holds items of benchmarks that count now: in how many of its pairs.
select
    recipe,
    version,
    release_id,
    count(distinct pair_id)::bigint as pairs,
    string_agg(distinct benchmark, ', ' order by benchmark) as benchmarks
from tainted_releases
group by recipe, version, release_id
order by recipe, version
