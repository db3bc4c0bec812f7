-- One row per student that was ever measured: on how many prompts, and when last.
select student, count(*)::bigint as prompts, max(created_at) as measured_at
from current_difficulty
where pass_rate is not null
group by student
order by measured_at desc, student
