-- One row is a pass rate of a student in a domain: how many of the prompts in `touched` have it now,
-- times $sign.
insert into difficulty_tallies by name
with measures as (
    select difficulty.*
    from difficulty
    semi join touched
        on difficulty.prompt_id = touched.prompt_id and difficulty.student = touched.student
    qualify row_number() over (
        partition by difficulty.prompt_id, difficulty.student order by difficulty.created_at desc
    ) = 1
)

select
    prompts.domain,
    measures.student,
    measures.pass_rate,
    measures.gap,
    measures.pass_rate between measures.band_low and measures.band_high as in_reach,
    case
        when measures.wrong = 0 and measures.correct > 0 then 'always'
        when measures.correct = 0 and measures.wrong > 0 then 'never'
    end as solved,
    $sign * count(*) as prompts,
    $sign * sum(measures.correct + measures.wrong) as decided,
    $sign * sum(measures.truncated) as truncated,
    $sign * sum(measures.unverifiable) as unverifiable,
    max(measures.created_at) as created_at
from measures
inner join prompts on measures.prompt_id = prompts.prompt_id
group by all
