-- One row is a pass rate of a student in a domain: how many of the prompts in `touched` have it now,
-- less those that had it before.
insert into difficulty_tallies by name
with moved as (
    select prompt_id, student, created_at, 1 as sign, unnest(said) from touched
    union all
    select prompt_id, student, created_at, -1 as sign, unnest(said_before) from touched
    where said_before is not null
)

select
    prompts.domain,
    moved.student,
    moved.pass_rate,
    moved.gap,
    moved.pass_rate between moved.band_low and moved.band_high as in_reach,
    case
        when moved.wrong = 0 and moved.correct > 0 then 'always'
        when moved.correct = 0 and moved.wrong > 0 then 'never'
    end as solved,
    sum(moved.sign) as prompts,
    sum(moved.sign * (moved.correct + moved.wrong)) as decided,
    sum(moved.sign * moved.truncated) as truncated,
    sum(moved.sign * moved.unverifiable) as unverifiable,
    max(moved.created_at) as created_at
from moved
inner join prompts on moved.prompt_id = prompts.prompt_id
group by all
