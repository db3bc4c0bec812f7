-- Which prompts a run asks about: all of them, a sample of each domain's seeds, none of a frozen one.

-- A domain's bound is the largest mark of a root that is asked about; '' is below every mark and 'g'
-- above. Marks are hashes of hashes: which roots are drawn has nothing to do with which of two twins
-- stands for both, and that is decided by their ids.
create macro is_in_scope(root_id, domain, domains, bounds, otherwise) as
    md5(root_id) <= coalesce(
        map(domains::varchar[], bounds::varchar[])[coalesce(domain, 'none')], otherwise
    );

create macro scoped_prompts(low, high, domains, bounds, otherwise) as table
    select prompt_id
    from prompts
    where
        prompt_id >= low
        and prompt_id < high
        and is_in_scope(root_id, domain, domains, bounds, otherwise);
