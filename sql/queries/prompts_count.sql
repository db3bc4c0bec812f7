-- One row: how many prompts the store holds.
select count(*) as rows
from prompts
