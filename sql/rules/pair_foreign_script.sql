-- warning: A response keeps to the scripts of its question, or to those that the recipe names.
case
    -- A letter of another script takes a byte more than a Latin one, at least.
    when bytes - characters >= 8 and bytes - characters > characters // 100
        then list_transform(
            [regexp_replace(concat_ws(e'\n', thought, response), '[\p{Latin}\p{Greek}\P{L}]+', '', 'g')],
            lambda odd: list_filter(
                [
                    {'script': 'Arabic', 'said': length(regexp_replace(odd, '\P{Arabic}+', '', 'g')), 'asked': regexp_matches(question, '\p{Arabic}')},
                    {'script': 'Cyrillic', 'said': length(regexp_replace(odd, '\P{Cyrillic}+', '', 'g')), 'asked': regexp_matches(question, '\p{Cyrillic}')},
                    {'script': 'Devanagari', 'said': length(regexp_replace(odd, '\P{Devanagari}+', '', 'g')), 'asked': regexp_matches(question, '\p{Devanagari}')},
                    {'script': 'Han', 'said': length(regexp_replace(odd, '[^\p{Han}\p{Hiragana}\p{Katakana}]+', '', 'g')), 'asked': regexp_matches(question, '[\p{Han}\p{Hiragana}\p{Katakana}]')},
                    {'script': 'Hangul', 'said': length(regexp_replace(odd, '\P{Hangul}+', '', 'g')), 'asked': regexp_matches(question, '\p{Hangul}')},
                    {'script': 'Hebrew', 'said': length(regexp_replace(odd, '\P{Hebrew}+', '', 'g')), 'asked': regexp_matches(question, '\p{Hebrew}')},
                    {'script': 'Thai', 'said': length(regexp_replace(odd, '\P{Thai}+', '', 'g')), 'asked': regexp_matches(question, '\p{Thai}')}
                ],
                lambda found: found.said >= 8 and found.said * 100 >= characters
                and not if(len(getvariable('scripts')::varchar[]) > 0, list_contains(getvariable('scripts')::varchar[], found.script), found.asked)
            )[1]
        )[1].script || ' letters'
end
