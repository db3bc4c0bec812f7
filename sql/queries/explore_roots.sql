-- One row per seed that was explored: its domain, what became of it and its rewrites, what was paid.
-- In the order of their marks these are the seeds before the first that was not, so all if none was
-- not; those behind it that have another reason were in no sample. Frozen domains are left out.
-- `teachable` prompts are those that would be kept if no domain or source had a limit. Paid is what
-- the models took that the recipe names ($roles, $models), without the teacher.
with named as (
    select
        unnest($roles::varchar[]) as role,
        unnest($models::varchar[]) as model
),

decided as (
    select
        spendable_prompts.prompt_id as root_id,
        coalesce(spendable_prompts.domain, 'none') as domain,
        md5(coalesce(spendable_prompts.root_id, '')) as mark,
        current_decisions.reason
    from spendable_prompts
    inner join current_decisions
        on
            spendable_prompts.prompt_id = current_decisions.prompt_id
            and current_decisions.policy = $policy
    where
        spendable_prompts.kind = 'seed'
        and not list_contains($frozen::varchar[], coalesce(spendable_prompts.domain, 'none'))
),

roots as (
    select root_id, domain
    from decided
    qualify
        mark < coalesce(
            min(mark) filter (where reason = 'not_explored') over (partition by domain),
            'g' -- Above every mark.
        )
),

told as (
    select
        spendable_prompts.root_id,
        count(*) as prompts,
        count(*) filter (current_keys.trusted) as keyed,
        count(current_difficulty.pass_rate) as measured,
        count(*) filter (
            current_difficulty.pass_rate
            between current_difficulty.band_low and current_difficulty.band_high
        ) as in_band,
        count(*) filter (
            current_decisions.kept
            or current_decisions.reason in (
                'over_per_source', 'over_target', 'over_mixture', 'domain_not_in_mixture'
            )
        ) as teachable
    from spendable_prompts
    left join current_keys on spendable_prompts.prompt_id = current_keys.prompt_id
    left join current_difficulty
        on
            current_keys.key_id = current_difficulty.key_id
            and current_keys.prompt_id = current_difficulty.prompt_id
            and current_difficulty.student = $student
    left join current_decisions
        on
            spendable_prompts.prompt_id = current_decisions.prompt_id
            and current_decisions.policy = $policy
    group by spendable_prompts.root_id
),

-- What was paid for a rewrite that was refused was paid for its seed as well.
descended as (
    select prompt_id, root_id from prompts
    union
    select prompt_id, root_id from rewrites where prompt_id is not null
),

paid as (
    select
        descended.root_id,
        sum(spend.cost_usd) as usd,
        count(*) filter (spend.cost_usd is null) as unpriced
    from spend
    inner join descended on spend.prompt_id = descended.prompt_id
    where spend.role <> 'teacher' and (spend.role, spend.model) in (select (role, model) from named)
    group by descended.root_id
)

select
    roots.domain,
    coalesce(told.prompts, 0)::double as prompts,
    coalesce(told.keyed, 0)::double as keyed,
    coalesce(told.measured, 0)::double as measured,
    coalesce(told.in_band, 0)::double as in_band,
    coalesce(told.teachable, 0)::double as teachable,
    if(coalesce(paid.unpriced, 0) > 0, null, coalesce(paid.usd, 0)) as usd
from roots
left join told on roots.root_id = told.root_id
left join paid on roots.root_id = paid.root_id
order by roots.domain, roots.root_id
