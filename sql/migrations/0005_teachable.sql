-- Keys with how they were voted for, the difficulty of a prompt with all its signs, reviews.

alter table keys add column voter varchar;          -- whose samples voted: reference | student
alter table keys add column confirmer varchar;      -- the second model; null if none was asked
alter table keys add column confirming integer;     -- its samples that gave the same answer
alter table keys add column confirmations integer;  -- its samples that gave an answer

alter table difficulty add column observed_rate double; -- before the verifier's error is corrected
alter table difficulty add column band_low double;      -- the band that in_band is about
alter table difficulty add column band_high double;
alter table difficulty add column in_band double;       -- P(the true rate is in that band)
alter table difficulty add column entropy double;       -- of the student's answers, in bits
alter table difficulty add column answers integer;      -- different answers it gave
alter table difficulty add column mean_tokens double;   -- mean length of its responses
alter table difficulty add column agreement double;     -- share of its answers equal to the reference's
alter table difficulty add column reference_rate double; -- the reference's rate against the same key
alter table difficulty add column reference_decided integer; -- … and over how many samples
alter table difficulty add column gap double;           -- reference_rate - pass_rate

-- How a model's samples on a prompt agree with each other, whatever the key is.
create table votes (
    prompt_id varchar,
    voter varchar,            -- reference | student
    answer varchar,           -- the most voted answer; null if there is no single leader
    votes integer,            -- samples that gave it, in whatever spelling
    runner_up integer,        -- samples that gave the second most voted answer
    samples integer,          -- samples that gave an answer
    drawn integer,            -- samples looked at, with or without an answer
    voting integer,           -- version of the way votes are counted
    run_id varchar,
    created_at timestamptz
);

-- What a plurality must reach to be believed, a domain a row.
create table key_shares (
    domain varchar,
    min_share double,         -- null: no share is precise enough
    basis varchar,            -- calibrated | none_precise | too_few_gold | fixed
    gold integer,             -- prompts with a gold answer that the reference voted on
    above integer,            -- how many of them reach the share
    precise integer,          -- how many of these have the gold answer
    target double,            -- the precision that was asked for
    run_id varchar,
    created_at timestamptz
);

-- What people said of a prompt's key: who (reviewer), when (created_at) and where it was written.
create table reviews (
    prompt_id varchar,
    answer varchar,           -- the right answer; null if the prompt is refused
    refusal varchar,          -- why the prompt can have no key; null if there is an answer
    reviewer varchar,
    note varchar,
    uri varchar,
    row_number bigint,
    run_id varchar,
    created_at timestamptz
);

create view current_votes as
select
    prompt_id, voter, answer, votes, runner_up, samples, drawn, voting, run_id, created_at
from votes
qualify row_number() over (partition by prompt_id, voter order by created_at desc) = 1;

create view current_key_shares as
select domain, min_share, basis, gold, above, precise, target, run_id, created_at
from key_shares
qualify row_number() over (partition by domain order by created_at desc) = 1;

create view current_reviews as
select
    prompt_id, answer, refusal, reviewer, note, uri, row_number, run_id, created_at
from reviews
qualify row_number() over (partition by prompt_id order by created_at desc) = 1;

create or replace view current_keys as
select
    key_id, prompt_id, answer, answer_type, source, votes, samples, share, trusted, voter, confirmer,
    confirming, confirmations, run_id, created_at
from keys
qualify row_number() over (partition by prompt_id order by created_at desc, key_id) = 1;

create or replace view current_difficulty as
select
    prompt_id, student, key_id, correct, wrong, truncated, unverifiable, observed_rate, pass_rate,
    low, high, band_low, band_high, in_band, entropy, answers, mean_tokens, agreement,
    reference_rate, reference_decided, gap, run_id, created_at
from difficulty
qualify row_number() over (partition by prompt_id, student order by created_at desc) = 1;

-- The reference answers where a key is wanted of it, the confirmer where votes were not believed
-- without it, the student where it can be measured: `keyed` if a trusted key is there. A prompt
-- that people refused is asked nothing.
create or replace view sampled_prompts as
with spendable as (
    select prompt_id, text, choices, answer_type, answer is not null as has_answer
    from spendable_prompts
    where
        answer_type <> 'open'
        and not exists (
            select 1
            from current_reviews
            where
                current_reviews.prompt_id = spendable_prompts.prompt_id
                and current_reviews.refusal is not null
        )
)

select
    'reference' as role, prompt_id, text, choices, answer_type, has_answer, false as keyed
from spendable
union all
select
    'confirmer' as role,
    spendable.prompt_id, spendable.text, spendable.choices, spendable.answer_type,
    spendable.has_answer,
    false as keyed
from spendable
inner join current_keys on spendable.prompt_id = current_keys.prompt_id
where
    current_keys.source = 'plurality'
    and current_keys.samples >= 3
    and (not current_keys.trusted or current_keys.confirmer is not null)
union all
select
    'student' as role,
    spendable.prompt_id, spendable.text, spendable.choices, spendable.answer_type,
    spendable.has_answer,
    coalesce(current_keys.trusted, false) as keyed
from spendable
left join current_keys on spendable.prompt_id = current_keys.prompt_id;

-- A response that holds a benchmark's item is not usable. Only the teacher's grades are put in
-- order, not those of every model.
create or replace view teacher_responses as
with graded as (
    select grades.response_id, grades.verdict
    from responses
    inner join current_keys on responses.prompt_id = current_keys.prompt_id
    inner join grades
        on responses.response_id = grades.response_id and current_keys.key_id = grades.key_id
    where responses.role = 'teacher'
    qualify row_number() over (
        partition by grades.response_id
        order by grades.created_at desc, grades.version desc, grades.verifier
    ) = 1
)

select
    responses.response_id,
    responses.prompt_id,
    responses.model,
    responses.server,
    responses.sample_index,
    graded.verdict,
    regexp_matches(coalesce(responses.content, ''), '\S')
    and responses.finish_reason is distinct from 'length'
    and graded.verdict is distinct from 'truncated'
    and not exists (
        select 1 from tainting where tainting.response_id = responses.response_id
    ) as usable
from responses
left join graded on responses.response_id = graded.response_id
where responses.role = 'teacher';
