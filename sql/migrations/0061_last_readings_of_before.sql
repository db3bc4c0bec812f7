-- In a transaction of its own: take out the rows without a word that the migration before put in, and
-- name the files of a store of before. Each is read once more, and what it has then counts.

delete from seed_files where uri is null and created_at is null;
delete from source_words where prompt_id is null and created_at is null;
delete from removals where root_id is null and created_at is null;
delete from mended_answers where prompt_id is null and created_at is null;

insert into seed_files by name
select distinct uri, 'begun' as state, now() as created_at
from prompt_sources
where uri is not null;
