-- How hard is the pool for the student? One row per domain and tenth of the pass rate.
select
    prompts.domain,
    floor(current_difficulty.pass_rate * 10) / 10 as pass_rate_from,
    count(*) as prompts,
    bar(count(*), 0, max(count(*)) over (), 30) as picture
from current_difficulty
inner join prompts on current_difficulty.prompt_id = prompts.prompt_id
where current_difficulty.pass_rate is not null
group by prompts.domain, pass_rate_from
order by prompts.domain, pass_rate_from;
