-- warning: A response keeps to the language of its question, or to those that the recipe names.
case
    when regexp_matches(words, getvariable('foreign_words'))
        then list_transform(
            list_transform(
                list_transform(
                    list_transform(
                        [{
                            'asked': regexp_extract_all(lower(question), '[\p{L}\p{M}]{2,}'),
                            -- Code, drawings, what is quoted and commands of TeX are in no language.
                            'said': regexp_extract_all(lower(regexp_replace(
                                concat_ws(e'\n', thought, response),
                                '(?s)```.*?(```|$)|\[asy\].*?(\[/asy\]|$)|`[^`\n]*`|"[^"\n]*"|“[^”]*”|«[^»]*»|\\[A-Za-z]+', ' ', 'g'
                            )), '[\p{L}\p{M}]{2,}')
                        }],
                        lambda texts: {
                            'said': texts.said,
                            'known': list_filter(
                                list_transform(getvariable('languages'), lambda each: {
                                    'language': each.language,
                                    'words': each.words,
                                    'asked': len(list_intersect(texts.asked, each.words)),
                                    'said': len(list_intersect(texts.said, each.words)),
                                    'named': list_has_any(
                                        string_split(each.language, ' or '),
                                        getvariable('expected_languages')::varchar[]
                                    ),
                                    -- A question that says "in Spanish" may be answered in it.
                                    'mentioned': len(list_filter(
                                        string_split(each.language, ' or '), lambda name: contains(question, name)
                                    )) > 0
                                }),
                                lambda each: each.asked > 0 or each.said >= 3
                                or each.said > 0
                                and len(list_filter(texts.said, lambda word: strlen(word) > length(word))) >= 4
                            )
                        }
                    ),
                    lambda texts: {
                        'said': texts.said,
                        'known': texts.known,
                        'asked': list_max(list_transform(texts.known, lambda each: each.asked)),
                        'most': list_max(list_transform(texts.known, lambda each: each.said))
                    }
                ),
                lambda texts: {
                    -- Twenty words, and from the middle of them on the next twenty.
                    'passages': list_transform(
                        range(1, greatest(len(texts.said) - 18, 2), 10), lambda place: texts.said[place:place + 19]
                    ),
                    'known': list_transform(texts.known, lambda each: {
                        'language': each.language,
                        'words': each.words,
                        'own': case
                            when len(getvariable('expected_languages')::varchar[]) > 0 then each.named
                            when each.mentioned then true
                            -- A question in two languages may be answered in both.
                            when texts.asked >= 3 then each.asked >= 3 and each.asked * 3 >= texts.asked * 2
                            when texts.asked > 0 then each.asked > 0 or each.language = 'English'
                            -- One that is but a formula: in that which the response has most words of.
                            else each.said = texts.most
                        end
                    })
                }
            ),
            lambda texts: list_max(list_filter(
                flatten(list_transform(
                    list_transform(
                        list_filter(texts.passages, lambda passage: len(passage) >= 8),
                        lambda passage: {
                            'passage': passage,
                            'own': coalesce(list_sum(list_transform(
                                list_filter(texts.known, lambda each: each.own),
                                lambda each: len(list_intersect(passage, each.words))
                            )), 0),
                            'accented': len(list_filter(passage, lambda word: strlen(word) > length(word)))
                        }
                    ),
                    lambda place: list_transform(
                        list_filter(texts.known, lambda each: not each.own),
                        lambda each: {
                            'found': len(list_intersect(place.passage, each.words)),
                            'own': place.own,
                            'accented': place.accented,
                            'detail': each.language || ': ' || array_to_string(place.passage[1:8], ' ')
                        }
                    )
                )),
                lambda place: place.found >= 3 and place.found >= place.own + 2
                or place.found >= 1 and place.own = 0 and place.accented >= 4
            )).detail
        )[1]
end
