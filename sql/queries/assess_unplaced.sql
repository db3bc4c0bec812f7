-- One row: whether there are grades that do not say what prompt and model their response is of.
select count(*) > 0 as unplaced
from (select response_id from grades where prompt_id is null limit 1)
