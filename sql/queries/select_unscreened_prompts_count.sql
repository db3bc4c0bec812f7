-- One row: how many prompts this screen has yet to compare with the benchmarks.
select count(*)::bigint as texts
from prompts
anti join compared_texts($screen, $benchmarks) as compared on prompts.prompt_id = compared.text_id
