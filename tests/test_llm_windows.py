"""Windows: no minute holds more than its limit, and little less."""

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.llm.windows import Entry, Window


@given(
    limit=st.integers(1, 500),
    gaps=st.lists(st.floats(0, 3), min_size=1, max_size=200),
    units=st.integers(1, 40),
)
def test_no_minute_holds_more_than_its_limit(limit: int, gaps: list[float], units: int) -> None:
    window, now, sent = Window(limit), 0.0, []
    units = min(units, limit)
    for gap in gaps:
        now += gap
        while (wait := window.wait_s(units, now)) > 0:
            now += max(wait, 1e-6)
        window.settle(window.spend(units, now), units, now)
        sent.append(now)
    for moment in sent:
        assert sum(units for other in sent if moment - 60 < other <= moment) <= limit


def test_a_minute_is_used_up_and_evenly() -> None:
    window, now, sent = Window(600), 0.0, []
    while now < 300:
        wait = window.wait_s(1, now)
        if wait > 0:
            now += wait
            continue
        window.settle(window.spend(1, now), 1, now)
        sent.append(now)
    assert len([moment for moment in sent if 60 <= moment < 300]) >= 0.95 * 4 * 600
    assert len([moment for moment in sent if 100 <= moment < 101]) <= 20


def test_what_is_under_way_counts_in_full_and_then_as_what_it_was() -> None:
    window = Window(1000)
    first = window.spend(600, 0.0)
    assert window.wait_s(600, 40.0) == 1.0
    window.settle(first, 200, 41.0)
    assert window.wait_s(600, 50.0) == 0.0
    window.spend(780, 50.0)
    assert window.wait_s(200, 99.0) == pytest.approx(41.0 + 60.5 - 99.0)


def test_a_minute_is_spread_by_what_calls_come_to_and_holds_what_they_may_take() -> None:
    """Of 4,000 tokens 400 are used, after 8 s: 60 calls could be sent a minute, 7 at a time."""
    window, now = Window(30_000), 0.0
    under_way, sent = deque[tuple[float, Entry | None]](), 0
    while now < 300:
        while under_way and under_way[0][0] <= now:
            window.settle(under_way.popleft()[1], 400, now)
        if window.wait_s(4_000, now) > 0:
            now += 0.05
            continue
        under_way.append((now + 8, window.spend(4_000, now)))
        assert window.total <= 30_000
        sent += 1
    assert sent * 400 / 5 > 0.36 * 30_000  # 0.20 when each was spread by its ceiling.


def test_a_call_is_taken_back_at_the_limit_that_it_was_sent_under() -> None:
    window = Window()
    window.heard = 1_000
    entry = window.spend(900, 0.0)
    window.heard = 1_000_000
    window.settle(entry, 9, 2.0)
    assert window.wait_s(900, 2.0) == 0.0


def test_a_limit_of_nothing_counts_nothing() -> None:
    window = Window()
    window.settle(window.spend(10**9, 0.0), 10**9, 0.0)
    assert (window.wait_s(10**9, 0.0), window.total) == (0.0, 0)


def test_what_ends_while_there_is_no_limit_is_counted_no_longer_than_a_minute() -> None:
    window = Window(1000)
    entry = window.spend(900, 0.0)
    window.declared = None
    window.settle(entry, 20, 10.0)
    assert (window.total, window.wait_s(900, 10.0)) == (20, 0.0)
    window.heard = 1000
    assert window.total == 20
    # 960 are 980 less 20, and what is counted of the call is gone 60.5 s after its end.
    assert window.wait_s(980, 60.0) == pytest.approx(10.0 + 60.5 - 60.0)
    assert (window.wait_s(980, 70.6), window.total) == (0.0, 0)


def test_the_lower_of_what_the_recipe_and_the_server_say_is_the_limit() -> None:
    window = Window()
    assert window.limit is None
    window.heard = 600
    assert window.limit == 600
    window.declared = 500
    assert window.limit == 500
    window.heard = 400
    assert window.limit == 400
    window.declared = None
    assert window.limit == 400
