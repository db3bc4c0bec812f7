-- One row: how many responses there are to count.
select count(*)::bigint as responses
from responses
where role in ('student', 'reference')
