-- One row: how many responses the store holds.
select count(*) as rows
from responses
