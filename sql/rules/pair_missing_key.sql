-- critical: A pair has a key to check its answer against; of code that may be its tests alone.
case
    when answer_type <> 'code' and not coalesce(regexp_matches(key, '[^\s\p{Z}]'), false) then 'no key'
end
