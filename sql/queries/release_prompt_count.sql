-- One row: how many prompts the store holds, decided on or not.
select count(*) as prompts
from prompts
