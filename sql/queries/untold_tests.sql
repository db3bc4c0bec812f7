-- One row per code seed with tests and file that it comes from; of a file no more than so many, and
-- of one run alone if it is named.
with tested as (
    select distinct
        current_sources.uri,
        prompts.prompt_id
    from prompts
    inner join current_sources on prompts.prompt_id = current_sources.prompt_id
    where
        prompts.kind = 'seed'
        and prompts.answer_type = 'code'
        and len(prompts.tests) > 0
        and ($run_id::varchar is null or prompts.run_id = $run_id)
    qualify
        row_number() over (partition by current_sources.uri order by prompts.prompt_id) <= $most
)

select
    tested.uri,
    prompts.text,
    prompts.tests
from tested
inner join prompts on tested.prompt_id = prompts.prompt_id
order by tested.uri, tested.prompt_id
