-- Overlap: sketches that need no second look, hits in responses, and what the recipe guards now.

create table signatures (
    prompt_id varchar,
    sketch varchar,           -- digest of the settings it was made with
    numbers ubigint,          -- hash of what duplicates must have in common: numbers, signs, options
    signature blob            -- one byte a permutation
);

create table screened (
    text_id varchar,          -- prompt_id or response_id that was compared with benchmarks
    screen varchar,           -- digest of the items and of the settings of the comparison
    run_id varchar,
    created_at timestamptz
);

create table guards (
    benchmark varchar,
    method varchar,           -- exact | 13-gram | 7-gram | tulu | s1 | similar
    drops_from double,        -- a hit of this score or more is set aside; null: only recorded
    run_id varchar,
    created_at timestamptz
);

alter table contamination add column response_id varchar;

create view current_guards as
select benchmark, method, drops_from, run_id, created_at
from guards
qualify row_number() over (partition by benchmark, method order by created_at desc) = 1;

-- Evidence is never removed; a score of 0 says that a later look did not find it again.
create view current_contamination as
select
    prompt_id, response_id, item_id, benchmark, method, score, span, run_id, created_at
from contamination
qualify row_number() over (
    partition by prompt_id, response_id, item_id, method order by created_at desc
) = 1;

-- What counts now: hits in the benchmarks that the recipe declares, by the methods that it drops by.
create view tainting as
select
    current_contamination.prompt_id,
    current_contamination.response_id,
    current_contamination.item_id,
    current_contamination.benchmark,
    current_contamination.method,
    current_contamination.score,
    current_contamination.span
from current_contamination
inner join current_guards
    on
        current_contamination.benchmark = current_guards.benchmark
        and current_contamination.method = current_guards.method
where
    current_contamination.score > 0
    and current_contamination.score >= current_guards.drops_from;

create view tainted_releases as
select
    releases.recipe,
    releases.version,
    releases.release_id,
    release_pairs.pair_id,
    tainting.prompt_id,
    tainting.response_id,
    tainting.benchmark,
    tainting.item_id,
    tainting.method,
    tainting.score,
    tainting.span
from release_pairs
inner join releases on release_pairs.release_id = releases.release_id
inner join tainting
    on
        release_pairs.prompt_id = tainting.prompt_id
        and coalesce(tainting.response_id, release_pairs.response_id) = release_pairs.response_id;

create or replace view spendable_prompts as
select
    prompts.prompt_id, prompts.root_id, prompts.parent_id, prompts.kind, prompts.domain,
    prompts.text, prompts.choices, prompts.answer, prompts.answer_type, prompts.answer_source
from prompts
where
    not exists (
        select 1
        from current_duplicates
        where
            current_duplicates.prompt_id = prompts.prompt_id
            and current_duplicates.representative_id <> prompts.prompt_id
    )
    and not exists (
        select 1
        from tainting
        where tainting.prompt_id = prompts.prompt_id and tainting.response_id is null
    );
