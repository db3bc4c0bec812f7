-- A row without a word in every table that has none, for the next migration to take out again.
--
-- DuckLake 1.5.5 forgets what it asked of a table that never had a row, and asks its catalog again for
-- each column of each scan (duckdb/ducklake#1313): in a young store that is two thirds of all time.
-- A migration that makes a table should do the same for it, in two steps as here: what comes and
-- goes in one transaction was never there.

insert into audits (audit) select null where not exists (select 1 from audits);
insert into batch_requests (batch_id) select null where not exists (select 1 from batch_requests);
insert into batch_retries (batch_id) select null where not exists (select 1 from batch_retries);
insert into batch_states (batch_id) select null where not exists (select 1 from batch_states);
insert into batches (batch_id) select null where not exists (select 1 from batches);
insert into benchmark_items (item_id) select null where not exists (select 1 from benchmark_items);
insert into comparisons (prompt_id) select null where not exists (select 1 from comparisons);
insert into contamination (prompt_id) select null where not exists (select 1 from contamination);
insert into decisions (policy) select null where not exists (select 1 from decisions);
insert into difficulty (prompt_id) select null where not exists (select 1 from difficulty);
insert into duplicates (prompt_id) select null where not exists (select 1 from duplicates);
insert into embeddings (text_id) select null where not exists (select 1 from embeddings);
insert into failures (response_id) select null where not exists (select 1 from failures);
insert into forms (role) select null where not exists (select 1 from forms);
insert into gates (gate_id) select null where not exists (select 1 from gates);
insert into grades (response_id) select null where not exists (select 1 from grades);
insert into guards (benchmark) select null where not exists (select 1 from guards);
insert into key_shares (domain) select null where not exists (select 1 from key_shares);
insert into keys (key_id) select null where not exists (select 1 from keys);
insert into kin (root_id) select null where not exists (select 1 from kin);
insert into loads (run_id) select null where not exists (select 1 from loads);
insert into near_items (prompt_id) select null where not exists (select 1 from near_items);
insert into neighbours (prompt_id) select null where not exists (select 1 from neighbours);
insert into objections (prompt_id) select null where not exists (select 1 from objections);
insert into prompt_sources (prompt_id) select null where not exists (select 1 from prompt_sources);
insert into prompts (prompt_id) select null where not exists (select 1 from prompts);
insert into publications (publication_id) select null where not exists (select 1 from publications);
insert into quarantine (quarantine_id) select null where not exists (select 1 from quarantine);
insert into ratings (rating_id) select null where not exists (select 1 from ratings);
insert into read_files (file_id) select null where not exists (select 1 from read_files);
insert into release_pairs (release_id) select null where not exists (select 1 from release_pairs);
insert into release_preferences (release_id) select null where not exists (select 1 from release_preferences);
insert into releases (release_id) select null where not exists (select 1 from releases);
insert into responses (response_id) select null where not exists (select 1 from responses);
insert into reviews (prompt_id) select null where not exists (select 1 from reviews);
insert into rewrites (response_id) select null where not exists (select 1 from rewrites);
insert into routes (prompt_id) select null where not exists (select 1 from routes);
insert into runs (run_id) select null where not exists (select 1 from runs);
insert into screened (text_id) select null where not exists (select 1 from screened);
insert into signatures (prompt_id) select null where not exists (select 1 from signatures);
insert into text_faults (response_id) select null where not exists (select 1 from text_faults);
insert into votes (prompt_id) select null where not exists (select 1 from votes);
