-- A teacher's responses that were made elsewhere count towards `teach.samples`, as a reference's do
-- towards its samples: whoever wrote them, they are released where they are fit.

-- As before, but for teachers too.
create or replace macro imported_samples(asked_role, asked_model, low, high) as table
    select prompt_id, count(*)::bigint as samples
    from responses
    where
        role = asked_role
        and server = 'import'
        and (asked_role in ('reference', 'teacher') or model = asked_model)
        and prompt_id >= low
        and prompt_id < high
    group by prompt_id;
