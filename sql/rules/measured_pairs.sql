-- One row per pair: its columns without the texts, their measures, and for each rule on single pairs what is wrong with it.
create table measured as
with texts as (
    select
        *,
        {thought} as thought,
        messages[-2].content as question,
        messages[-1].content as response,
        string_split(messages[-1].content, '</think>') as parts
    from pairs
),

joined as (
    select
        *,
        parts[-1] as answer,
        length(response) as response_length,
        length(thought) as thought_length,
        concat_ws(e'\n', question, thought, response) as words
    from texts
),

searched as (
    select
        *,
        -- What the whole pair says in words alone, where there is something that it must not say.
        if(
            len(getvariable('told_in_private')::varchar[]) > 0
            and regexp_matches(concat_ws(' ', messages[1].content, words), getvariable('private_marks')),
            ' ' || regexp_replace(lower(concat_ws(' ', messages[1].content, words)), '[^\p{L}\p{N}]+', ' ', 'g') || ' ',
            ''
        ) as spoken,
        strlen(words) as bytes,
        length(words) as characters,
        -- Whatever the rules on secrets, numbers of people and guidelines look for has one of these
        -- marks: one pass finds the few texts that are worth a closer look.
        regexp_matches(
            words,
            '[0-9]{3}[ ).-]{1,2}[0-9]{3}[ .-][0-9]{4}|\+[0-9]{1,3}[ -]\(?[0-9]{2,4}\)?[ -][0-9]'
            || '|sk-|AKIA|gh[pousr]_|github_pat_|xox[abeprs]-|AIza|hf_|glpat-|eyJ|PRIVATE KEY'
            || '|(?i:(my|our|this|your|openai.{0,2}|anthropic.{0,2}|given|provided|safety|content|system|developer|hidden|internal)'
            || ' (guideline|polic|instruction)|(system|developer) (prompt|message) [a-z])'
        ) as marked,
        -- A passage that fills a quarter of the response, or of thoughts that are kept apart, covers
        -- one of these places: if what stands there stands there four times, the rule on repetition
        -- looks closer.
        coalesce(greatest(
            len(string_split(response, substr(response, 1 + response_length // 8, 24))),
            len(string_split(response, substr(response, 1 + response_length * 3 // 8, 24))),
            len(string_split(response, substr(response, 1 + response_length * 5 // 8, 24))),
            len(string_split(response, substr(response, 1 + response_length * 7 // 8, 24))),
            -- Null, and left out, where the reasoning is not a column of its own.
            len(string_split(thought, substr(thought, 1 + thought_length // 8, 24))),
            len(string_split(thought, substr(thought, 1 + thought_length * 3 // 8, 24))),
            len(string_split(thought, substr(thought, 1 + thought_length * 5 // 8, 24))),
            len(string_split(thought, substr(thought, 1 + thought_length * 7 // 8, 24)))
        ), 0) > 4 as repetitive
    from joined
)

select
    pair_id,
    prompt_id,
    root_id,
    response_id,
    domain,
    kind,
    answer_type,
    key_source,
    pass_rate,
    teacher,
    simulated,
    split,
    hash(messages) as conversation,
    bytes,
    characters,
    {faults}
from searched
