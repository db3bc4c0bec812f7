"""Pulse: how long this process stood still while calls were under way.

    before = pulse.stood_still_s()      # 0.0
    …                                   # a look for garbage among a million objects
    pulse.stood_still_s() - before      # 0.41

What came meanwhile is read late, from a server that was as quick as ever. A clock that ticks in the
event loop tells: a tick that is late by more than another one stood for something.
"""

import asyncio
import time
from collections.abc import Callable

TICK_S = 0.05


class Pulse:
    """Ticks in the running event loop from `start` on, for as long as `wanted` says so."""

    def __init__(self, wanted: Callable[[], bool]) -> None:
        self._wanted = wanted
        self._loop: asyncio.AbstractEventLoop | None = None
        self._due: float | None = None
        self._stood_still_s = 0.0

    def start(self) -> None:
        """Tick from now on, if it does not yet."""
        if self._due is None or self._loop is not asyncio.get_running_loop():
            self._wait()

    def stood_still_s(self) -> float:
        """Return for how many seconds in all the loop did nothing, the moment before included."""
        return self._stood_still_s + self._late_s()

    def _late_s(self) -> float:
        late = 0.0 if self._due is None else time.monotonic() - self._due
        return late if late > TICK_S else 0.0

    def _wait(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._due = time.monotonic() + TICK_S
        self._loop.call_later(TICK_S, self._tick)

    def _tick(self) -> None:
        self._stood_still_s = self.stood_still_s()
        self._due = None
        if self._wanted():
            self._wait()
