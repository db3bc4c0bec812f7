-- One row per domain of the release that a recipe's `latest` leads to, with its pairs.
select
    latest_releases.release_id,
    coalesce(prompts.domain, 'none') as domain,
    count(*)::bigint as pairs
from latest_releases
inner join release_pairs on latest_releases.release_id = release_pairs.release_id
inner join prompts on release_pairs.prompt_id = prompts.prompt_id
where latest_releases.recipe = $recipe
group by all
order by domain
