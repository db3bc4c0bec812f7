-- critical: A pass rate is a share, and lies within its own interval.
case
    when not coalesce(pass_rate between 0 and 1 and pass_rate between low and high, true)
        then 'pass rate ' || pass_rate || ' in an interval from ' || low || ' to ' || high
end
