-- One value: the pattern of a text in which three words stand that are none of the expected languages'.
-- Where English is expected a letter that it does not write counts as well. One pass over all texts by this
-- pattern finds the few that are worth a closer look. The first words of a language are its commonest; the pattern has
-- 25 of each, as more make it slower and find hardly anything more.
select
    '(?s)(?:(?:(?i:[\s("''’¿¡](?:' || array_to_string(list_sort(list_filter(
        list_distinct(flatten(list_transform(
            getvariable('languages'), lambda known: known.words[:25]
        ))),
        lambda word: not list_contains(expected.words, word)
    )), '|') || ')[\s,.;:!?)"’])'
    || if(list_contains(expected.languages, 'English') and len(expected.languages) = 1, '|[À-ÖØ-öø-ɏЀ-ԯẀ-ỿ]', '')
    || ').*){3}'
from (
    select
        if(
            len(getvariable('expected_languages')::varchar[]) > 0,
            getvariable('expected_languages')::varchar[],
            ['English']
        ) as languages,
        flatten(list_transform(
            list_filter(
                getvariable('languages'),
                lambda known: list_has_any(string_split(known.language, ' or '), languages)
            ),
            lambda known: known.words
        )) as words
) as expected
