-- Which prompts a run asks about: all of them, a sample of each domain's seeds, none of a frozen one.

-- A domain's bound is the largest mark of a root that is asked about; '' is below every mark and 'g'
-- above. Marks are hashes of hashes: which roots are drawn has nothing to do with which of two twins
-- stands for both, and that is decided by their ids.
create macro is_in_scope(root_id, domain, domains, bounds, otherwise) as
    md5(coalesce(root_id, '')) <= coalesce(
        map(domains::varchar[], bounds::varchar[])[coalesce(domain, 'none')], otherwise
    );

create macro scoped_prompts(low, high, domains, bounds, otherwise) as table
    select prompt_id
    from prompts
    where
        prompt_id >= low
        and prompt_id < high
        and is_in_scope(root_id, domain, domains, bounds, otherwise);

-- Responses that were made elsewhere: so many samples of a role need not be drawn. Whose reference
-- it was makes no difference, a student is measured by its name.
create macro imported_samples(asked_role, asked_model, low, high) as table
    select prompt_id, count(*)::bigint as samples
    from responses
    where
        role = asked_role
        and server = 'import'
        and (asked_role = 'reference' or model = asked_model)
        and prompt_id >= low
        and prompt_id < high
    group by prompt_id;
