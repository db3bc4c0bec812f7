-- critical: No pair holds a passage of the guidelines that its teacher read and the student must not need.
case
    when spoken <> '' and len(list_filter(
        getvariable('told_in_private')::varchar[], lambda passage: contains(spoken, passage)
    )) > 0
        then 'repeats what its teacher was told: ' || trim(list_filter(
            getvariable('told_in_private')::varchar[], lambda passage: contains(spoken, passage)
        )[1])
end
