"""Progress: what every running stage has done so far, for whoever wants to look.

    with track("sample", total=2400) as tracker:
        tracker.advance(done=8, cost_usd=0.0021)

    Snapshot(stage="sample", total=2400, done=8, failed=0, cost_usd=0.0021, rate=3.9, eta_s=613, …)

The registry is this process's own and safe to use from any thread; it draws nothing itself.
"""

import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tasks.figures import say_dollars
from tasks.metrics import PENDING, STAGE_SECONDS

RATE_WINDOW_S = 10.0
ETA_AFTER_S = 2.0
_TOLD_EVERY_S = 0.1
_SAMPLED_EVERY_S = 0.25
_LOGGER = logging.getLogger(__name__)
_LOGGER.setLevel(logging.INFO)  # The end of a stage is for the log of its run in the UI.


@dataclass(frozen=True, slots=True)
class Snapshot:
    """How far one stage was at one moment. `rate` and `eta_s` are None while unknown."""

    key: int
    stage: str
    total: int | None
    done: int
    failed: int
    cost_usd: float
    unpriced: int
    rate: float | None
    eta_s: float | None
    elapsed_s: float
    note: str
    finished: bool
    stopped: bool = False  # It ended before its end.


Observer = Callable[[Snapshot], None]


class Tracker:
    """Counts one stage. `done` counts all that is over, `failed` those of them that failed."""

    def __init__(self, stage: str, total: int | None, clock: Callable[[], float]) -> None:
        self.key = next(_KEYS)
        self.stage, self._total, self._clock = stage, total, clock
        self._lock = threading.Lock()
        self._done = self._failed = self._unpriced = 0
        self._cost_usd = 0.0
        self._note = ""
        self._finished = self._stopped = False
        self._started = clock()
        self._told = float("-inf")
        self._samples: deque[tuple[float, int]] = deque([(self._started, 0)])

    def advance(
        self, done: int = 1, failed: int = 0, cost_usd: float | None = 0.0, note: str = ""
    ) -> None:
        """Count `done` more, `failed` of them failed; a cost of None is one that nobody knows."""
        with self._lock:
            now = self._clock()
            self._done += done
            self._failed += failed
            self._cost_usd += cost_usd or 0.0
            self._unpriced += done if cost_usd is None else 0
            self._note = note or self._note
            self._remember(now)
            due = now - self._told >= _TOLD_EVERY_S and not self._finished
            if due:
                self._told = now
                PENDING.labels(self.stage).set(max((self._total or 0) - self._done, 0))
        if due:
            _tell(self.snapshot())

    def note(self, text: str) -> None:
        """Say in a few words what is going on; empty takes it back."""
        with self._lock:
            self._note = text

    def expect(self, total: int) -> None:
        """Set the total once it is known."""
        with self._lock:
            self._total = total

    def forgo(self, count: int) -> None:
        """Take off the total what turned out not to be needed."""
        with self._lock:
            if self._total is not None:
                self._total = max(self._done, self._total - count)

    def finish(self, *, stopped: bool = False) -> None:
        """Say that the stage is over, or that it was stopped."""
        with self._lock:
            self._finished, self._stopped = True, stopped
        last = self.snapshot()
        PENDING.labels(self.stage).set(0)
        STAGE_SECONDS.labels(self.stage).observe(last.elapsed_s)
        _LOGGER.info("%s", _describe_end(last))
        _tell(last)

    def snapshot(self) -> Snapshot:
        """Return how far the stage is now."""
        with self._lock:
            now = self._clock()
            rate = self._rate(now)
            return Snapshot(
                key=self.key,
                stage=self.stage,
                total=self._total,
                done=self._done,
                failed=self._failed,
                cost_usd=self._cost_usd,
                unpriced=self._unpriced,
                rate=rate,
                eta_s=self._eta(rate),
                elapsed_s=now - self._started,
                note=self._note,
                finished=self._finished,
                stopped=self._stopped,
            )

    def _remember(self, now: float) -> None:
        if now - self._samples[-1][0] >= _SAMPLED_EVERY_S:
            self._samples.append((now, self._done))
        while len(self._samples) > 2 and self._samples[1][0] <= now - RATE_WINDOW_S:
            self._samples.popleft()

    def _rate(self, now: float) -> float | None:
        """Units a second over the window; None before there are two seconds to judge by."""
        if now - self._started < ETA_AFTER_S:
            return None
        moment, done = self._samples[0]
        for sampled, count in self._samples:
            if sampled > now - RATE_WINDOW_S:
                break
            moment, done = sampled, count
        return (self._done - done) / max(now - max(moment, now - RATE_WINDOW_S), 1e-9)

    def _eta(self, rate: float | None) -> float | None:
        if self._total is None or not rate or self._finished:
            return None
        return max(self._total - self._done, 0) / rate


@contextmanager
def track(
    stage: str, total: int | None = None, clock: Callable[[], float] = time.monotonic
) -> Iterator[Tracker]:
    """Count a stage for as long as the block runs; `total` None means that nobody knows."""
    tracker = Tracker(stage, total, clock)
    with _LOCK:
        _ACTIVE[tracker.key] = tracker
    _tell(tracker.snapshot())
    stopped = True
    try:
        yield tracker
        stopped = False
    finally:
        with _LOCK:
            _ACTIVE.pop(tracker.key, None)
        tracker.finish(stopped=stopped)


def active(*names: str) -> Tracker:
    """Return the tracker of a stage that is being tracked, or one that nobody watches.

    It may go by several names.
    """
    with _LOCK:
        found = [tracker for tracker in _ACTIVE.values() if tracker.stage in names]
    return found[-1] if found else Tracker(names[0], None, time.monotonic)


def current() -> list[Snapshot]:
    """Return a snapshot of every stage that is running, the oldest first."""
    with _LOCK:
        trackers = list(_ACTIVE.values())
    return [tracker.snapshot() for tracker in trackers]


@contextmanager
def subscribe(observer: Observer) -> Iterator[None]:
    """Call `observer` at a stage's start and end and, at most every 0.1 s, while it advances.

    It is called in the stage's own thread and must return at once.
    """
    with _LOCK:
        _OBSERVERS.append(observer)
    try:
        yield
    finally:
        with _LOCK:
            _OBSERVERS.remove(observer)


def _describe_end(last: Snapshot) -> str:
    how = "done, stopped after" if last.stopped else "done in"
    parts = [f"{last.stage}: {last.done:,} {how} {last.elapsed_s:.1f} s"]
    if last.failed:
        parts.append(f"{last.failed:,} failed")
    if last.cost_usd:
        parts.append(say_dollars(last.cost_usd))
    if last.unpriced:
        parts.append(f"{last.unpriced:,} of unknown cost")
    return ", ".join(parts)


def _tell(snapshot: Snapshot) -> None:
    with _LOCK:
        observers = list(_OBSERVERS)
    for observer in observers:
        try:
            observer(snapshot)
        except Exception:  # a picture of the work must never stop the work
            _LOGGER.exception("a progress observer failed")


_KEYS = itertools.count(1)
_LOCK = threading.Lock()
_ACTIVE: dict[int, Tracker] = {}
_OBSERVERS: list[Observer] = []
