-- critical: A response says something once its reasoning is taken away.
case when not coalesce(regexp_matches(answer, '[^\s\p{Z}]'), false) then 'nothing after the reasoning' end
