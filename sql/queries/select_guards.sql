-- One row per benchmark and method: the score from which a hit is set aside now, null if it is not.
select benchmark, method, drops_from
from current_guards
