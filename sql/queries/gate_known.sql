-- One row per verdict that passed on a store as it is now, by the rules as they are now.
select verdict
from gates
where suite = $suite and digest = $digest and passed
order by created_at desc
limit 1
