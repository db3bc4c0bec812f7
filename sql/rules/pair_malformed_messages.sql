-- critical: A pair is one question and one answer, after at most one system text; none of them blank but the answer.
case
    when
        not coalesce(
            list_transform(messages, lambda message: message.role)
            in (['user', 'assistant'], ['system', 'user', 'assistant']),
            false
        )
        then 'roles '
            || coalesce(array_to_string(list_transform(messages, lambda message: message.role), ', '), 'missing')
    when not coalesce(regexp_matches(question, '[^\s\p{Z}]'), false) then 'the question is blank'
    when not coalesce(regexp_matches(messages[1].content, '[^\s\p{Z}]'), false) then 'the system text is blank'
end
