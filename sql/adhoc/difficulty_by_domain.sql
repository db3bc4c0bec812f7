-- Where is there something to learn? One row per domain and student, the most teachable first.
select
    domain,
    student,
    prompts,
    round(mean_pass_rate, 3) as mean_pass_rate,
    always_solved,
    never_solved,
    within_band,
    round(within_band / prompts, 3) as teachable
from difficulty_by_domain
order by teachable desc, domain, student;
