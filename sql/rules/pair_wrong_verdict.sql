-- critical: An answer agrees with its key, where only such are released.
case
    when getvariable('only_correct') and verdict is distinct from 'correct'
        then 'verdict ' || coalesce(verdict, 'missing')
end
