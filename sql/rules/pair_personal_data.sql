-- critical: A pair holds no e-mail address or telephone number of a person, beyond what the recipe allows.
case
    when
        contains(words, '@')
        and len(list_filter(
            regexp_extract_all(words, '\b[A-Za-z0-9._%+-]+@([A-Za-z0-9-]+\.)+[A-Za-z]{2,24}\b'),
            -- Names that RFC 2606 keeps free for examples.
            lambda address: not regexp_matches(lower(address), '@(.*\.)?(example\.(com|org|net)|[^.]*\.?(test|example|invalid|localhost))$')
        )) > 0
        then 'an e-mail address'
    when
        marked
        and len(list_filter(
            regexp_extract_all(
                words,
                '(?:^|[^0-9A-Za-z.+(-])((?:\+[0-9]{1,3}[ .-]?)?(?:\([0-9]{3}\) ?|[0-9]{3}[.-])[0-9]{3}[.-][0-9]{4})(?:$|[^0-9A-Za-z-])'
                || '|(?:^|[^0-9A-Za-z+])(\+[0-9]{1,3}(?:[ -]\(?[0-9]{2,4}\)?){2,4})(?:$|[^0-9A-Za-z])'
            ),
            -- 555-01xx is kept free for fiction.
            lambda number: not regexp_matches(number, '555[.-]01[0-9]{2}')
            and length(regexp_replace(number, '[^0-9]', '', 'g')) between 9 and 15
        )) > 0
        then 'a telephone number'
end
