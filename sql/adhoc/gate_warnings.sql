-- One row per rule that the newest verdict of each suite found broken, and what it found.
select suite, rule, severity, passed, found, detail, description
from gate_rules
where coalesce(found, 0) > 0
qualify rank() over (partition by suite order by created_at desc) = 1
order by suite, passed, severity, rule
