-- What came in and could not be used? The quarantine, by file and reason, with an example each.
select
    uri,
    purpose,
    reason,
    count(*) as rows,
    min(row_number) as first_row,
    any_value(detail order by row_number) as detail
from quarantine
group by uri, purpose, reason
order by rows desc, uri;
