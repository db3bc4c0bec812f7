-- critical: A pair has a key to check its answer against.
case when not coalesce(regexp_matches(key, '[^\s\p{Z}]'), false) then 'no key' end
