-- One row is a current key that was voted for and is believed.
select key_id, prompt_id, answer, answer_type, source, votes, samples, share, trusted
from current_keys
where source = 'plurality' and trusted
