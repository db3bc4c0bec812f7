-- critical: A pair holds no key, token or password of a service.
case
    when
        marked
        and regexp_matches(
            words,
            '\bsk-(proj-|ant-|or-)?[A-Za-z0-9_-]{24,}|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}\b'
            || '|\bgithub_pat_[A-Za-z0-9_]{40,}|\bxox[abeprs]-[A-Za-z0-9-]{20,}|\bAIza[0-9A-Za-z_-]{35}'
            || '|\bhf_[A-Za-z]{30,}|\bglpat-[A-Za-z0-9_-]{20,}|\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}'
            || '|-----BEGIN ([A-Z]+ )*PRIVATE KEY'
        )
        -- Only how it begins: a verdict is read by more people than the data.
        then 'what looks like a secret begins with ' || left(regexp_extract(
            words,
            'sk-(proj|ant|or)|sk-|AKIA|gh[pousr]_|github_pat_|xox[abeprs]-|AIza|hf_|glpat-|eyJ|-----BEGIN'
        ), 8)
end
