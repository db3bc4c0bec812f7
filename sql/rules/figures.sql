-- One row per figure that is compared with the next release's: sizes, mixture, lengths, difficulty.
create table figures as
select 'pairs' as figure, count(*)::double as value from measured
union all
select 'pairs for validation', count(*) filter (split = 'validation') from measured
union all
select 'share of ' || coalesce(domain, 'none'), round(count(*) / sum(count(*)) over (), 6) from measured group by domain
union all
select 'characters, median', quantile_disc(characters, 0.5) from measured
union all
select 'characters, 95th percentile', quantile_disc(characters, 0.95) from measured
union all
select 'pass rate, mean', round(avg(pass_rate), 6) from measured having count(pass_rate) > 0
union all
select 'pass rate, median', quantile_disc(pass_rate, 0.5) from measured having count(pass_rate) > 0
