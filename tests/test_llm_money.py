"""Costs computed by hand, and a purse that is never overdrawn."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import RecipeError
from tasks.llm.client import read_usage
from tasks.llm.money import Amount, Bill, Purse, Usage, check_budget, cost_usd, reserve_for
from tasks.recipe import Budget, ModelSettings, Prices, Sampling
from tests.conftest import about


@pytest.mark.parametrize(
    ("usage", "prices", "expected"),
    [
        (Usage(1000, 0, 500, 0), Prices(input=2, output=8), 0.006),
        (Usage(1000, 400, 500, 0), Prices(input=2, output=8, cached_input=0.5), 0.0054),
        (Usage(1000, 400, 500, 0), Prices(input=2, output=8), 0.006),
        (Usage(1000, 0, 500, 200), Prices(input=2, output=8, reasoning=4), 0.0052),
        (Usage(1000, 0, 500, 200), Prices(input=2, output=8), 0.006),
        (Usage(1000, None, 500, None), Prices(input=2, output=8), 0.006),
    ],
)
def test_cost(usage: Usage, prices: Prices, expected: float) -> None:
    assert cost_usd(usage, prices) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("usage", "prices"),
    [
        (Usage(), Prices(input=2, output=8)),
        (Usage(10, 0, None, 0), Prices(input=2, output=8)),
        (Usage(10, 0, 5, 0), Prices(input=2)),
        (Usage(10, 0, 5, 0), Prices()),
    ],
)
def test_an_unknown_price_or_count_makes_the_cost_unknown(usage: Usage, prices: Prices) -> None:
    assert cost_usd(usage, prices) is None


def test_a_budget_counts_what_nobody_has_counted_at_its_most_and_the_books_do_not() -> None:
    prices, most = Prices(input=1, output=2), Amount(usd=0.5, tokens=128, calls=1)
    bill = Bill()
    assert bill.add(None, prices, most) == Amount(calls=1)  # No answer, no bill.
    assert bill.add(Usage(10, 0, 5, 0), prices, most) == Amount(usd=2e-05, tokens=15, calls=1)
    assert bill == Bill(2, 0, 10, 5, 2e-05, budget_usd=2e-05, budget_tokens=15)
    for usage in (Usage(), Usage(10), Usage(None, 0, 5, 0)):
        booked = bill.add(usage, prices, most)
        assert booked == Amount(usd=0.5, tokens=128, calls=1, uncounted=1)
    assert bill == Bill(
        *(5, 0, None, None, None), budget_usd=about(1.50002), budget_tokens=399, uncounted=3
    )
    # What a server counts above the most is counted: it did not keep to the ceiling.
    half = Bill()
    assert half.add(Usage(None, 0, 500_000, 0), prices, most) == Amount(
        usd=1.0, tokens=500_000, calls=1, uncounted=1
    )
    # What was sent and never answered may have cost the most; the books know of nothing.
    silent = Bill()
    assert silent.add_unanswered(prices, most) == dataclasses.replace(most, uncounted=1)
    assert silent == Bill(1, 0, 0, 0, 0.0, budget_usd=0.5, budget_tokens=128, uncounted=1)
    # Without a price, what it cost is counted when there is one.
    unpriced = Bill()
    assert unpriced.add(Usage(10), Prices(), most) == Amount(tokens=128, calls=1, uncounted=1)
    assert (unpriced.budget_usd, unpriced.budget_tokens) == (None, 128)
    # Without a price there is no cap in dollars, and what was counted is counted.
    assert Bill().add(Usage(10, 0, 5, 0), Prices(), most) == Amount(tokens=15, calls=1)


def test_a_reservation_covers_the_dearest_outcome() -> None:
    settings = ModelSettings(
        model="m", sampling=Sampling(max_tokens=100), prices=Prices(input=1, output=2, reasoning=3)
    )
    reserved = reserve_for(settings, prompt_bytes=36)
    assert reserved == Amount(usd=(100 * 1 + 100 * 3) / 1e6, tokens=200, calls=1)


@given(
    cap=st.integers(0, 2_000),
    calls=st.lists(st.tuples(st.integers(1, 400), st.floats(0, 1)), max_size=60),
)
def test_a_purse_is_never_overdrawn(cap: int, calls: list[tuple[int, float]]) -> None:
    purse = Purse(Budget(tokens=cap))
    flying: list[tuple[Amount, Amount]] = []
    for most, share in calls:
        reservation = Amount(tokens=most, calls=1)
        if purse.fits(reservation):
            purse.reserve(reservation)
            flying.append((reservation, Amount(tokens=int(most * share), calls=1)))
        elif flying:
            purse.settle(*flying.pop(0))
        assert purse.spent.tokens + purse.reserved.tokens <= cap
    for reservation, actual in flying:
        purse.settle(reservation, actual)
    assert purse.spent.tokens <= cap
    assert purse.is_idle()


def test_a_purse_says_what_is_used_up() -> None:
    purse = Purse(Budget(usd=1.5, calls=10), spent=Amount(usd=1.4, tokens=7, calls=10))
    assert "usd 1.4 of 1.5, calls 10 of 10)" in str(purse.reached())
    purse.settle(Amount(), Amount(uncounted=3))
    assert "10 of 10; 3 calls are estimated, since their server did not say" in str(purse.reached())


def test_a_cap_in_dollars_needs_prices() -> None:
    with pytest.raises(RecipeError, match="'m' has no prices"):
        check_budget(Budget(usd=1), ModelSettings(model="m"))
    check_budget(Budget(tokens=1), ModelSettings(model="m"))


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        # A server that says more of a part than of the whole takes nothing off the bill by it.
        (Usage(100, 10**9, 50, 0), (100 * 2 + 50 * 8) / 1e6),
        (Usage(100, 0, 50, 10**9), (100 * 2 + 50 * 8) / 1e6),
    ],
)
def test_no_call_costs_less_than_nothing(usage: Usage, expected: float) -> None:
    prices = Prices(input=2, output=8, cached_input=0.5, reasoning=4)
    assert cost_usd(usage, prices) == pytest.approx(expected)


def test_what_is_in_the_total_alone_was_written_as_well() -> None:
    """Gemini's chat completions count thoughts in the total and in neither part."""
    counts = {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 130}
    assert read_usage(counts) == Usage(prompt_tokens=10, completion_tokens=120)
    for total in (30, 25, None, "many"):
        said = read_usage({**counts, "total_tokens": total})
        assert said == Usage(prompt_tokens=10, completion_tokens=20)
