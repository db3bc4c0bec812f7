-- One row per prompt that a teacher of this name has answered, in whatever way it was asked, or that
-- was answered elsewhere.
select distinct prompt_id
from responses
where role = 'teacher' and (model = $model or server = 'import')
