-- warning: Sizes, mixture, lengths and difficulty are about those of the previous release.
with compared as (
    select
        coalesce(previous.figure, figures.figure) as figure,
        coalesce(previous.value, 0) as before,
        coalesce(figures.value, 0) as now
    from previous_figures as previous
    full join figures on previous.figure = figures.figure
    where (select count(*) from previous_figures) > 0
)

select null::varchar as pair_id, format('{}: {:g} before, {:g} now', figure, before, now) as detail
from compared
where
    -- A share or a rate moves by points, a size or a length by its own measure.
    abs(now - before) > getvariable('drift')
    * if(figure like 'share of %' or figure like 'pass rate%', 1, greatest(abs(before), 1e-9))
order by figure
