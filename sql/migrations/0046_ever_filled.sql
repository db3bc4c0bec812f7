-- A row without a word in every table, for the next migration to take out again.
--
-- DuckLake 1.5.5 forgets what it asked of a table that never had a row, and asks its catalog again for
-- each column of each scan (duckdb/ducklake#1313): in a young store that is two thirds of all time.
-- A migration that makes a table should do the same for it, in two steps as here: what comes and
-- goes in one transaction was never there.

insert into audits (audit) values (null);
insert into batch_requests (batch_id) values (null);
insert into batch_retries (batch_id) values (null);
insert into batch_states (batch_id) values (null);
insert into batches (batch_id) values (null);
insert into benchmark_items (item_id) values (null);
insert into comparisons (prompt_id) values (null);
insert into contamination (prompt_id) values (null);
insert into decisions (policy) values (null);
insert into difficulty (prompt_id) values (null);
insert into duplicates (prompt_id) values (null);
insert into embeddings (text_id) values (null);
insert into failures (response_id) values (null);
insert into forms (role) values (null);
insert into gates (gate_id) values (null);
insert into grades (response_id) values (null);
insert into guards (benchmark) values (null);
insert into key_shares (domain) values (null);
insert into keys (key_id) values (null);
insert into kin (root_id) values (null);
insert into loads (run_id) values (null);
insert into near_items (prompt_id) values (null);
insert into neighbours (prompt_id) values (null);
insert into objections (prompt_id) values (null);
insert into prompt_sources (prompt_id) values (null);
insert into prompts (prompt_id) values (null);
insert into publications (publication_id) values (null);
insert into quarantine (quarantine_id) values (null);
insert into ratings (rating_id) values (null);
insert into read_files (file_id) values (null);
insert into release_pairs (release_id) values (null);
insert into release_preferences (release_id) values (null);
insert into releases (release_id) values (null);
insert into responses (response_id) values (null);
insert into reviews (prompt_id) values (null);
insert into rewrites (response_id) values (null);
insert into routes (prompt_id) values (null);
insert into runs (run_id) values (null);
insert into screened (text_id) values (null);
insert into signatures (prompt_id) values (null);
insert into text_faults (response_id) values (null);
insert into votes (prompt_id) values (null);
