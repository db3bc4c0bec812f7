-- critical: A response does not go round in circles: no passages of ten words that stand four times in its thoughts, or in its answer, fill a quarter of them.
case
    when repetitive
        then list_filter(
            list_transform(
                list_transform(
                    -- An answer may say again what was thought, and a thought may weigh a step twice.
                    list_concat(parts, if(thought is null, [], [thought])),
                    -- Where words are not set apart by spaces, a passage is thirty characters.
                    lambda part: if(
                        len(string_split(part, ' ')) * 16 > length(part),
                        {'said': string_split_regex(part, '\s+'), 'size': 10},
                        {'said': string_split(part, ''), 'size': 30}
                    )
                ),
                lambda units: list_transform(
                    [list_aggregate(
                        list_transform(
                            range(1, len(units.said) - units.size + 2),
                            lambda place: units.said[place:place + units.size - 1]
                        ),
                        'histogram'
                    )],
                    lambda passages: case
                        when
                            list_sum(list_filter(map_values(passages), lambda times: times >= 4))
                            >= 0.25 * list_sum(map_values(passages))
                            then list_max(map_values(passages)) || ' times '
                                || list_sort(list_transform(
                                    map_entries(passages),
                                    lambda passage: {'times': passage.value, 'said': passage.key}
                                ), 'desc')[1].said.array_to_string(' ')[:60]
                    end
                )[1]
            ),
            lambda found: found is not null
        )[1]
end
