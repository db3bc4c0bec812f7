-- One row per domain of a recipe's newest release, with its pairs.
select
    releases.release_id,
    coalesce(prompts.domain, 'none') as domain,
    count(*)::bigint as pairs
from releases
inner join release_pairs on releases.release_id = release_pairs.release_id
inner join prompts on release_pairs.prompt_id = prompts.prompt_id
where
    releases.recipe = $recipe
    and releases.version = (select max(version) from releases where recipe = $recipe)
group by all
order by domain
