"""Flow control: one limiter per model and server, shared by everything in the process.

It bounds the calls in flight, the requests and tokens of any 60 seconds, and holds everybody back
while the server asks for quiet. A waiting call holds no slot.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tasks.recipe import ModelSettings

_WINDOW_S = 60.0


@dataclass(slots=True)
class Window:
    """At most `limit` units in any 60 seconds; None is no limit."""

    limit: int | None
    _spent: deque[tuple[float, int]] = field(default_factory=deque)
    _total: int = 0

    def wait_s(self, amount: int, now: float) -> float:
        """Return how long to wait until `amount` more fits.

        What is larger than the limit itself fits an empty window.
        """
        if self.limit is None:
            return 0.0
        while self._spent and self._spent[0][0] <= now - _WINDOW_S:
            self._total -= self._spent.popleft()[1]
        excess = self._total + min(amount, self.limit) - self.limit
        if excess <= 0:
            return 0.0
        for moment, units in self._spent:
            excess -= units
            if excess <= 0:
                return moment + _WINDOW_S - now
        return _WINDOW_S

    def spend(self, amount: int, now: float) -> None:
        """Count an amount from now on."""
        if self.limit is not None:
            self._spent.append((now, amount))
            self._total += amount


class Limiter:
    """Admission of calls to one model at one server."""

    def __init__(self, settings: ModelSettings) -> None:
        self._slots = asyncio.Semaphore(settings.max_concurrency)
        self._requests = Window(settings.requests_per_minute)
        self._tokens = Window(settings.tokens_per_minute)
        self._quiet_until = 0.0

    def hold(self, seconds: float) -> None:
        """Let nobody in for some seconds: the server asked for it."""
        self._quiet_until = max(self._quiet_until, time.monotonic() + seconds)

    @asynccontextmanager
    async def admit(self, tokens: int) -> AsyncIterator[None]:
        """Wait for a slot and for room in both windows; the slot is given back on exit."""
        while True:
            await self._slots.acquire()
            now = time.monotonic()
            pause = max(
                self._quiet_until - now,
                self._requests.wait_s(1, now),
                self._tokens.wait_s(tokens, now),
            )
            if pause <= 0:
                break
            self._slots.release()
            await asyncio.sleep(pause)
        self._requests.spend(1, now)
        self._tokens.spend(tokens, now)
        try:
            yield
        finally:
            self._slots.release()
