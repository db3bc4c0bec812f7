-- One row per fortieth of the student's rate, tenth of the reference's rate and verdict of the policy,
-- with the prompts that both were measured on (a rewrite is not, by the answers that confirmed it).
select
    round(current_difficulty.pass_rate * 40)::integer as student,
    round(current_difficulty.reference_rate * 10)::integer as reference,
    coalesce(current_decisions.kept, false) as kept,
    count(*)::bigint as prompts
from current_difficulty
inner join current_keys
    on
        current_difficulty.prompt_id = current_keys.prompt_id
        and current_difficulty.key_id = current_keys.key_id
left join current_decisions
    on
        current_difficulty.prompt_id = current_decisions.prompt_id
        and current_decisions.policy = $policy
where
    current_difficulty.student = $student
    and current_difficulty.pass_rate is not null
    and current_difficulty.gap is not null
group by all
order by all
