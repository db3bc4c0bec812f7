"""The feed: requests on their way from a stage to the workers, a bounded number at a time.

    feed = Feed(requests)
    await feed.take() -> Request(…)      # None when there are no more

The generator reads the store, so it is advanced in a thread of its own, ahead of the workers: no
call waits for a query, and memory does not grow with what is pending.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import Iterable

from tasks.llm.request import Request

_AHEAD = 256


class Feed:
    """Hands out what an iterable yields; a failure of the iterable is raised by `take`."""

    def __init__(self, requests: Iterable[Request]) -> None:
        self._source = iter(requests)
        self._ready: deque[Request] = deque()
        self._reading: asyncio.Task[list[Request]] | None = None
        self._ended = False

    @property
    def is_exhausted(self) -> bool:
        """Whether all that there was has been taken."""
        return self._ended and not self._ready and self._reading is None

    async def take(self) -> Request | None:
        """Return the next request, or None when there are no more."""
        while True:
            if self._reading is None and not self._ended and len(self._ready) <= _AHEAD:
                self._reading = asyncio.create_task(asyncio.to_thread(self._read))
            if self._ready:
                return self._ready.popleft()
            if self._reading is None:
                return None
            await self._receive(self._reading)

    async def _receive(self, reading: "asyncio.Task[list[Request]]") -> None:
        """Wait for a batch; whoever wakes first puts it where all take from."""
        read = await asyncio.shield(reading)
        if self._reading is reading:
            self._reading = None
            self._ended = len(read) < _AHEAD
            self._ready.extend(read)

    def _read(self) -> list[Request]:
        return list(itertools.islice(self._source, _AHEAD))
