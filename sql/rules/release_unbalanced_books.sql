-- critical: Nothing vanished: in every stage what came in is what was kept, dropped or set aside; the spend is the sum of its calls.
with books as (
    select book, expected, found from expected_books
    union all
    select 'pairs of kept prompts' as book, getvariable('kept') as expected, count(*) as found
    from measured
)

select null::varchar as pair_id, format('{}: {:g} expected, {:g} found', book, expected, found) as detail
from books
where abs(expected - found) > 1e-6 * greatest(1, abs(expected))
order by book
