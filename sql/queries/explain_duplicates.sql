-- One row per twin of a prompt: the prompt that stands for it, or one that it stands for.
select
    duplicates.prompt_id, duplicates.representative_id, duplicates.method, duplicates.score,
    twins.text as twin
from current_duplicates as duplicates
left join prompts as twins
    on twins.prompt_id
    = if(duplicates.prompt_id = $prompt_id, duplicates.representative_id, duplicates.prompt_id)
where
    $prompt_id in (duplicates.prompt_id, duplicates.representative_id)
    and duplicates.prompt_id <> duplicates.representative_id
order by duplicates.method, duplicates.prompt_id;
