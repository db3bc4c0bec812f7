-- What happened since yesterday at this time? One row per kind of row that came in.
select what, detail, rows, first_at, last_at
from what_changed_since(now() - interval 1 day);
