-- The last reading of the recipe's files counts: where a seed comes from has a last word, and a seed
-- that no file has any more is set aside until one has it again. `prompt_sources` keeps every place
-- that a seed was ever read from, with what was said there first.

create table seed_files (
    uri varchar,              -- as in prompt_sources
    state varchar,            -- new: not read to its end yet | begun: being read anew | read | gone:
                              -- the recipe that was ingested last does not name it
    reading varchar,          -- content hash of what was read of it last; null if new or begun
    run_id varchar,
    created_at timestamptz
);

create table source_words (
    prompt_id varchar,
    uri varchar,
    row_number bigint,
    source varchar,           -- what a later reading said of a place that was there before
    licence varchar,
    external_id varchar,
    gone boolean,             -- the file's last reading found the seed there no more
    run_id varchar,
    created_at timestamptz
);

create table removals (
    root_id varchar,
    removed boolean,          -- no place of it is left; false: it is back
    detail varchar,           -- which file had it, and what became of that place
    run_id varchar,
    created_at timestamptz
);

create table mended_answers (
    prompt_id varchar,
    answer varchar,           -- what the only file that has the seed says of it now
    answer_type varchar,
    uri varchar,
    row_number bigint,
    run_id varchar,
    created_at timestamptz
);
-- Rows without a word, taken out again by the next migration: of a table that never had one DuckLake
-- asks again at each scan, once a column.
insert into seed_files (uri) values (null);
insert into source_words (prompt_id) values (null);
insert into removals (root_id) values (null);
insert into mended_answers (prompt_id) values (null);

create view current_seed_files as
select uri, state, reading, run_id, created_at
from seed_files
qualify row_number() over (partition by uri order by created_at desc) = 1;

create view current_source_words as
select prompt_id, uri, row_number, source, licence, external_id, gone, run_id, created_at
from source_words
qualify row_number() over (
    partition by prompt_id, uri, row_number order by created_at desc
) = 1;

create view current_removals as
select root_id, removed, detail, run_id, created_at
from removals
qualify row_number() over (partition by root_id order by created_at desc) = 1;

create view current_mended_answers as
select prompt_id, answer, answer_type, uri, row_number, run_id, created_at
from mended_answers
qualify row_number() over (partition by prompt_id order by created_at desc) = 1;

-- One row per place that a seed was ever read from: what was said of it last, and whether it is gone.
create view known_sources as
select
    prompt_sources.prompt_id,
    if(words.prompt_id is null, prompt_sources.source, words.source) as source,
    if(words.prompt_id is null, prompt_sources.licence, words.licence) as licence,
    prompt_sources.uri,
    prompt_sources.row_number,
    if(words.prompt_id is null, prompt_sources.external_id, words.external_id) as external_id,
    files.uri is not null as file_gone,
    coalesce(words.gone, false) as row_gone,
    files.uri is not null or coalesce(words.gone, false) as gone
from prompt_sources
left join current_source_words as words
    on
        prompt_sources.prompt_id = words.prompt_id
        and prompt_sources.uri = words.uri
        and prompt_sources.row_number = words.row_number
left join (select uri from current_seed_files where state = 'gone') as files
    on prompt_sources.uri = files.uri;

-- One row per place that a seed comes from.
create view current_sources as
select prompt_id, source, licence, uri, row_number, external_id
from known_sources
where not gone;

-- One row per seed that no file has any more. What descends from it is set aside with it.
create view removed_roots as
select root_id, detail
from current_removals
where removed;

-- One row per place that tells the source and the licence of a seed: those that it comes from, or all
-- that it ever came from where none is left, because a frozen domain keeps what it was released with.
create view telling_sources as
select
    known_sources.prompt_id, known_sources.source, known_sources.licence, known_sources.uri,
    known_sources.row_number
from known_sources
left join removed_roots on known_sources.prompt_id = removed_roots.root_id
where not known_sources.gone or removed_roots.root_id is not null;

-- As before, but of the places that tell.
create or replace view prompt_origins as
select
    prompt_id as root_id,
    array_to_string(list_sort(list_distinct(list(licence))), ', ') as licence,
    array_to_string(list_sort(list_distinct(list(source))), ', ') as source,
    list_sort(list_distinct(list(coalesce(nullif(trim(licence), ''), 'unknown')))) as licences,
    list_sort(list_distinct(list(source))) as sources
from telling_sources
group by prompt_id;

create or replace view kept_prompts as
select
    current_decisions.policy,
    prompts.prompt_id,
    prompts.root_id,
    prompts.domain,
    prompts.kind,
    prompts.strategy,
    prompts.text,
    prompts.choices,
    prompts.tests,
    coalesce(prompts.simulated, false) as simulated,
    current_keys.key_id,
    current_keys.answer as key,
    current_keys.answer_type,
    current_keys.source as key_source,
    nullif(origins.licence, '') as licence,
    nullif(origins.source, '') as source,
    origins.sources
from current_decisions
inner join prompts on current_decisions.prompt_id = prompts.prompt_id
left join current_keys on current_decisions.prompt_id = current_keys.prompt_id
left join lateral (
    select
        array_to_string(list_sort(list_distinct(list(licence))), ', ') as licence,
        array_to_string(list_sort(list_distinct(list(source))), ', ') as source,
        list_sort(list_distinct(list(source))) as sources
    from telling_sources
    where telling_sources.prompt_id = prompts.root_id
) as origins on true
where current_decisions.kept;

-- As before, but for prompts whose seed no file has any more, and with the answers that were mended.
create or replace view sound_prompts as
select
    prompts.prompt_id, prompts.root_id, prompts.parent_id, prompts.kind, prompts.domain,
    prompts.text, prompts.choices, coalesce(mended.answer, prompts.answer) as answer,
    prompts.answer_type, prompts.answer_source
from prompts
left join (
    select prompt_id from current_duplicates where representative_id <> prompt_id
) as duplicate on prompts.prompt_id = duplicate.prompt_id
left join withdrawn_prompts as withdrawn on prompts.prompt_id = withdrawn.prompt_id
left join (
    select current_objections.prompt_id
    from current_objections
    left join current_reviews
        on
            current_objections.prompt_id = current_reviews.prompt_id
            and current_reviews.refusal is null
    where
        current_objections.response_id is null
        and current_objections.reason is not null
        and current_reviews.prompt_id is null
) as objected on prompts.prompt_id = objected.prompt_id
left join removed_roots on prompts.root_id = removed_roots.root_id
left join current_mended_answers as mended on prompts.prompt_id = mended.prompt_id
where
    duplicate.prompt_id is null
    and withdrawn.prompt_id is null
    and objected.prompt_id is null
    and removed_roots.root_id is null;

-- As before, but for responses to such prompts.
create or replace view rateable_responses as
select
    responses.prompt_id,
    responses.response_id,
    responses.model,
    responses.server,
    responses.content,
    prompts.domain,
    prompts.text,
    prompts.choices,
    prompts.answer_type,
    prompts.answer
from responses
inner join prompts on responses.prompt_id = prompts.prompt_id
left join (
    select prompt_id, response_id
    from current_objections
    where source = 'guidelines' and reason is not null
) as objected
    on responses.prompt_id = objected.prompt_id and responses.response_id = objected.response_id
left join superseded_responses as superseded
    on responses.prompt_id = superseded.prompt_id and responses.response_id = superseded.response_id
left join removed_roots on prompts.root_id = removed_roots.root_id
where
    responses.role = 'teacher'
    and responses.finish_reason is distinct from 'length'
    and regexp_matches(coalesce(responses.content, ''), '\S')
    and objected.response_id is null
    and superseded.response_id is null
    and removed_roots.root_id is null;

-- As before, but nobody is asked about what no file has any more.
create or replace macro scoped_prompts(low, high, domains, bounds, otherwise) as table
    select prompts.prompt_id
    from prompts
    left join removed_roots on prompts.root_id = removed_roots.root_id
    where
        prompts.prompt_id >= low
        and prompts.prompt_id < high
        and is_in_scope(prompts.root_id, prompts.domain, domains, bounds, otherwise)
        and removed_roots.root_id is null;
