-- One row per prompt that a teacher of this name has answered, in whatever way it was asked.
select distinct prompt_id
from responses
where role = 'teacher' and model = $model and server <> 'import'
