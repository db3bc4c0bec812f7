"""Progress: counts from any thread, an honest ETA, plain lines where there is no terminal."""

import io
import threading

import pytest

from cli import progress_bars as bars
from cli.progress_bars import describe, progress_bars, say_cost, say_seconds
from tasks.figures import say_dollars
from tasks.progress import Snapshot, active, current, subscribe, track


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_counts_and_dollars_add_up() -> None:
    with track("sample", 10) as tracker:
        tracker.advance(done=4, failed=1, cost_usd=0.5)
        tracker.advance(done=2, cost_usd=None, note="slow server")
        snapshot = tracker.snapshot()
    assert (snapshot.done, snapshot.failed, snapshot.cost_usd) == (6, 1, 0.5)
    assert (snapshot.unpriced, snapshot.note, snapshot.finished) == (2, "slow server", False)
    assert tracker.snapshot().finished


def test_eta_is_unknown_for_two_seconds_and_then_by_the_rate() -> None:
    clock = Clock()
    with track("sample", 100, clock) as tracker:
        clock.now += 1
        tracker.advance(done=10)
        assert (tracker.snapshot().rate, tracker.snapshot().eta_s) == (None, None)
        clock.now += 3
        tracker.advance(done=10)
        assert tracker.snapshot().rate == pytest.approx(20 / 4)
        assert tracker.snapshot().eta_s == pytest.approx(80 / 5)


def test_rate_forgets_what_is_older_than_ten_seconds() -> None:
    clock = Clock()
    with track("sample", 1_000, clock) as tracker:
        for _ in range(10):
            clock.now += 1
            tracker.advance(done=50)
        for _ in range(20):
            clock.now += 1
            tracker.advance(done=1)
        assert tracker.snapshot().rate == pytest.approx(1, rel=0.1)


def test_stalled_stage_has_no_eta() -> None:
    clock = Clock()
    with track("sample", 100, clock) as tracker:
        clock.now += 3
        tracker.advance(done=10)
        clock.now += 60
        assert (tracker.snapshot().rate, tracker.snapshot().eta_s) == (0, None)


def test_stage_of_unknown_size_has_no_eta() -> None:
    clock = Clock()
    with track("ingest", clock=clock) as tracker:
        clock.now += 5
        tracker.advance(done=10)
        assert (tracker.snapshot().total, tracker.snapshot().eta_s) == (None, None)
        tracker.expect(20)
        assert tracker.snapshot().eta_s == pytest.approx(5)


def test_threads_lose_no_count() -> None:
    with track("sample", 8_000) as tracker:

        def advance() -> None:
            for _ in range(1_000):
                tracker.advance()

        threads = [threading.Thread(target=advance) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert tracker.snapshot().done == 8_000


def test_only_running_stages_are_current_also_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), track("a"), track("b"):
        assert [snapshot.stage for snapshot in current()] == ["a", "b"]
        raise ZeroDivisionError
    assert current() == []


def test_a_stage_is_found_by_the_name_it_goes_by() -> None:
    with track("student"):
        active("student", "student m-other").advance(done=1)
        with track("student m-other"):
            active("student m-other").advance(done=2)
        active("teacher").advance(done=4)  # Nobody watches.
        assert [(stage.stage, stage.done) for stage in current()] == [("student", 1)]
    with track("student m-other") as tracker:
        active("student", "student m-other").advance(done=3)
    assert tracker.snapshot().done == 3


def test_observers_hear_start_and_end_but_not_every_step() -> None:
    heard: list[Snapshot] = []
    clock = Clock()
    with subscribe(heard.append), track("sample", 1_000, clock) as tracker:
        for _ in range(1_000):
            tracker.advance()
    assert [heard[0].done, heard[-1].done, heard[-1].finished] == [0, 1_000, True]
    assert len(heard) == 3  # the clock stood still, so of all the steps only the first was told
    with track("unheard"):
        pass
    assert len(heard) == 3


def test_observer_that_fails_stops_nothing() -> None:
    def fail(_: Snapshot) -> None:
        raise ValueError("broken")

    with subscribe(fail), track("sample", 1) as tracker:
        tracker.advance()
    assert tracker.snapshot().done == 1


def test_line_says_what_is_known() -> None:
    clock = Clock()
    with track("sample student", 2_400, clock) as tracker:
        clock.now += 4
        tracker.advance(done=800, failed=2, cost_usd=0.31)
        assert describe(tracker.snapshot()) == (
            "sample student: 800/2,400, 200/s, 8 s left, 2 failed, $0.31"
        )
    assert describe(tracker.snapshot()) == (
        "sample student: 800/2,400, done in 4 s, 2 failed, $0.31"
    )


def test_a_stage_that_did_not_come_to_its_end_was_stopped(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    with pytest.raises(KeyboardInterrupt), track("student", 2_704, clock) as tracker:
        clock.now += 2
        tracker.advance(done=71)
        raise KeyboardInterrupt
    assert describe(tracker.snapshot()) == "student: 71/2,704, stopped after 2 s"
    assert caplog.messages == ["student: 71 done, stopped after 2.0 s"]


def test_without_a_terminal_there_are_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bars, "LINE_EVERY_S", 0.01)
    out = io.StringIO()
    with progress_bars(out), track("grade", 2) as tracker:
        tracker.advance(done=2)
        threading.Event().wait(0.1)
    lines = out.getvalue().splitlines()
    assert lines[0] == "grade: 2/2"
    assert lines[-1] == "grade: 2/2, done in 0 s"
    assert "\x1b" not in out.getvalue()


def test_with_a_terminal_there_are_bars_without_markup_from_data() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    with progress_bars(out), track("grade [bold]x[/bold]\x1b]0;t\x07", 2) as tracker:
        tracker.advance(done=2)
    assert "grade [bold]x[/bold]\\x1b]0;t\\x07" in out.getvalue()
    assert "2/2" in out.getvalue()


def test_durations_and_dollars_read_well() -> None:
    assert [say_seconds(s) for s in (0.4, 59.6, 200, 7_500)] == [
        "0 s", "1 min 0 s", "3 min 20 s", "2 h 5 min",
    ]  # fmt: skip
    amounts = (0, 0.0000123, 0.00314, 0.0996, 0.1, 2.034, 1234.5, None)
    assert [say_dollars(amount) for amount in amounts] == [
        "$0.00", "$0.000012", "$0.0031", "$0.100", "$0.10", "$2.03", "$1,234.50", "unknown",
    ]  # fmt: skip
    assert say_cost(1.5, 3) == "$1.50 and 3 calls of unknown price"
