"""Rate windows: at most so many requests, or tokens, in any 60 seconds.

    window = Window(600)                # 600 a minute
    window.wait_s(1, now) -> 0.0        # may be sent at once
    entry = window.spend(1, now)        # counts for as long as the call is under way,
    window.settle(entry, 1, now)        # and for 60 seconds from here on

What is sent is spread over the minute, with a second's worth in one go: providers cut their minutes
into shorter pieces, and a burst that fits a minute is refused by them. A fiftieth of the limit is
left alone: what leaves here evenly may be held up on its way and arrive together.
"""

from collections import deque
from dataclasses import dataclass, field

_WINDOW_S = 60.5  # Half a second more: calls that left together may arrive apart.
_BURST_S = 1.0
_LEFT_ALONE = 50  # One part in so many of the limit.


@dataclass(slots=True, eq=False)
class Entry:
    """What one call takes of a window; it leaves 60 seconds after `settled_at`."""

    units: int
    settled_at: float = float("inf")


@dataclass(slots=True)
class Window:
    """At most so many units in any 60 seconds; without a limit nothing is counted.

    The limit is the lower of what the recipe has `declared` and what the server has said, `heard`.
    """

    declared: int | None = None
    heard: int | None = None
    total: int = 0
    _leaving: deque[Entry] = field(default_factory=deque)
    _pace: float = float("-inf")

    @property
    def limit(self) -> int | None:
        """The units that may be sent in any 60 seconds; None if nobody has said."""
        return min((each for each in (self.declared, self.heard) if each is not None), default=None)

    @property
    def usable(self) -> int:
        """How much of the limit is used."""
        limit = self.limit or 0
        return limit - limit // _LEFT_ALONE

    def wait_s(self, units: int, now: float) -> float:
        """Return how long to wait until so many more fit: 0 if at once.

        What is larger than the window itself fits an empty one. While calls under way are in the
        way nobody knows how long; the answer is then a second at most.
        """
        if self.limit is None:
            return 0.0
        while self._leaving and self._leaving[0].settled_at <= now - _WINDOW_S:
            self.total -= self._leaving.popleft().units
        wait = max(0.0, self._pace - now)
        excess = self.total + min(units, self.usable) - self.usable
        for entry in self._leaving:
            if excess <= 0:
                return wait
            excess -= entry.units
            wait = max(wait, entry.settled_at + _WINDOW_S - now)
        return wait if excess <= 0 else 1.0

    def spend(self, units: int, now: float) -> Entry | None:
        """Count a call that is sent now."""
        usable = self.usable  # Once: another thread may take the limit away.
        if not usable:
            return None
        self._pace = max(self._pace, now - _BURST_S) + units * 60.0 / usable
        self.total += units
        return Entry(units)

    def settle(self, entry: Entry | None, units: int, now: float) -> None:
        """Say what a call came to now that it is over."""
        if entry is None:
            return
        # It was counted, so it is corrected, also where there is no limit any more: there may be
        # one again, and what stayed in the total would stay for ever.
        self.total += units - entry.units
        if usable := self.usable:
            self._pace += (units - entry.units) * 60.0 / usable
        entry.units, entry.settled_at = units, now
        self._leaving.append(entry)
