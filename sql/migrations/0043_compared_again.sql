-- One row per text that a screen has compared with the benchmarks, and that no other screen has
-- changed the evidence on since: under the settings of before, the words of before have to return.
create macro compared_texts(by_screen, with_benchmarks) as table
    with evidence as (
        select coalesce(response_id, prompt_id) as text_id, max(created_at) as changed_at
        from current_contamination
        where method <> 'embedding' and list_contains(with_benchmarks::varchar[], benchmark)
        group by all
    )

    select distinct screened.text_id
    from screened
    left join evidence on screened.text_id = evidence.text_id
    where
        screened.screen = by_screen
        and (evidence.changed_at is null or evidence.changed_at <= screened.created_at);
