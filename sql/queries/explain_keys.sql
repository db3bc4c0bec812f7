-- One row per key a prompt ever had, the one that counts now first.
select
    keys.key_id, keys.answer, keys.answer_type, keys.source, keys.votes, keys.samples, keys.share,
    keys.trusted, keys.voter, keys.confirmer, keys.confirming, keys.confirmations, current_keys.key_id is not null as counts, keys.created_at
from keys
left join current_keys on keys.prompt_id = current_keys.prompt_id and keys.key_id = current_keys.key_id
where keys.prompt_id = $prompt_id
order by counts desc, keys.created_at desc, keys.key_id;
