-- Audits: how much of what was planted each method found; and which releases a benchmark taints.

create table audits (
    audit varchar,            -- digest of the items and of the settings of the comparison
    benchmark varchar,        -- null: the project's own prompts, in which nothing was planted
    disguise varchar,         -- how the items were made to look otherwise; null where none was
    method varchar,           -- exact | 13-gram | … ; policy: any of those that the recipe drops by
    texts bigint,             -- planted items, or own prompts that quote no item
    found bigint,             -- of these
    created_at timestamptz
);

create view current_audits as
select audit, benchmark, disguise, method, texts, found, created_at
from audits
qualify row_number() over (
    partition by audit, benchmark, disguise, method order by created_at desc
) = 1;
