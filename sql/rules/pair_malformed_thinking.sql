-- critical: Reasoning is one closed, filled block at the response's start, and only where the recipe puts it there.
case
    when
        (len(parts) > 1 or contains(response, '<think>'))
        and not (
            getvariable('reasoning') = 'think'
            and len(parts) = 2
            and starts_with(parts[1], e'<think>\n')
            and ends_with(parts[1], e'\n')
            and starts_with(parts[2], e'\n\n')
            and len(string_split(response, '<think>')) = 2
            and regexp_matches(parts[1], '^<think>[\s\p{Z}]*[^\s\p{Z}]')
        )
        then response[:60]
end
