"""Under way: what the calls of one stage have come to so far, and how they are stopped or held.

with stoppable() as progress:           # stop_calling() ends it: progress.stop is RunInterrupted
    progress.count(0.0021, completed=1)
progress.totals() → Completion(completed=7_990, failed=10, cost_usd=1.84)
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tasks.errors import RunInterrupted
from tasks.llm.loop import event_loop

_STOPPED = "stopped; run again to continue"


@dataclass(frozen=True, slots=True)
class Completion:
    """What became of the requests; cost_usd is None if a price was unknown."""

    completed: int = 0
    failed: int = 0
    cost_usd: float | None = 0.0
    note: str = ""  # What holds everybody back at the moment, if anything does.

    def plus(self, other: "Completion") -> "Completion":
        """Add what became of other requests."""
        unknown = self.cost_usd is None or other.cost_usd is None
        return Completion(
            self.completed + other.completed,
            self.failed + other.failed,
            None if unknown else (self.cost_usd or 0.0) + (other.cost_usd or 0.0),
        )


@dataclass(slots=True, eq=False)
class Progress:
    """What one `complete` has seen so far; touched by the event loop's thread alone."""

    completed: int = 0
    failed: int = 0
    failed_anew: int = 0  # Of these, calls that no earlier run had tried in vain.
    gives_up: bool = False  # What has failed is not tried again: it may be that no server can.
    cost_usd: float | None = 0.0
    stop: BaseException | None = None
    stopped: asyncio.Event = field(default_factory=asyncio.Event)

    def end(self, error: BaseException) -> None:
        """Let the calls in flight be the last ones, for the first reason that is given."""
        self.stop = self.stop or error
        self.stopped.set()

    def count(self, cost_usd: float | None, *, completed: int = 0, failed: int = 0) -> None:
        """Count a call that is over; one of unknown cost makes the sum unknown."""
        self.completed += completed
        self.failed += failed
        if cost_usd is None or self.cost_usd is None:
            self.cost_usd = None
        else:
            self.cost_usd += cost_usd

    def totals(self, note: str = "") -> Completion:
        return Completion(self.completed, self.failed, self.cost_usd, note)


@contextmanager
def stoppable() -> Iterator[Progress]:
    """Count work that `stop_calling` reaches. Raises RunInterrupted if the process is ending."""
    if _ENDING.is_set():
        raise RunInterrupted(_STOPPED)
    progress = Progress()
    _UNDER_WAY.add(progress)
    try:
        yield progress
    finally:
        _UNDER_WAY.discard(progress)


def stop_calling(*, for_good: bool = False, why: str = _STOPPED) -> None:
    """Let every `complete` of this process end with RunInterrupted after the calls in flight.

    `for_good` refuses those that begin later as well: the process is about to end.
    """
    if for_good:
        _ENDING.set()
    for progress in list(_UNDER_WAY):
        event_loop().call_soon_threadsafe(progress.end, RunInterrupted(why))


def hold_calling(held: bool) -> None:
    """Begin no call of this process while it is held; those under way end, and take no slot."""
    if held:
        _HELD.set()
    else:
        _HELD.clear()


def is_held() -> bool:
    """Say whether calls have to wait before they begin."""
    return _HELD.is_set()


def is_calling() -> bool:
    """Say whether calls are under way, whose answers will be paid for."""
    return bool(_UNDER_WAY)


_UNDER_WAY: set[Progress] = set()
_ENDING = threading.Event()
_HELD = threading.Event()
