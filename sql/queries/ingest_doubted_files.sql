-- One row per file of seeds with a row that was refused because another row had said otherwise.
select distinct uri
from quarantine
where purpose = 'seed' and reason = 'conflicting_answer'
