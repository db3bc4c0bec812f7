"""Rate windows: at most so many requests, or tokens, in any 60 seconds.

    window = Window(600)                # 600 a minute
    window.wait_s(1, now) -> 0.0        # may be sent at once
    entry = window.spend(1, now)        # counts for as long as the call is under way,
    window.settle(entry, 1, now)        # and for 60 seconds from here on

What is sent is spread over the minute, with a second's worth in one go: providers cut their minutes
into shorter pieces, and a burst that fits a minute is refused by them. A fiftieth of the limit is
left alone: what leaves here evenly may be held up on its way and arrive together.

What a call may take at most counts until it is over, so that no limit is exceeded. It is spread by
what calls have come to: with ceilings of ten times that the minute would stay empty.
"""

from collections import deque
from dataclasses import dataclass, field

_WINDOW_S = 60.5  # Half a second more: calls that left together may arrive apart.
_BURST_S = 1.0
_LEFT_ALONE = 50  # One part in so many of the limit.
_LEARNING = 0.1  # How much of what calls come to the last one decides.
_LEAST_SHARE = 0.02


@dataclass(slots=True, eq=False)
class Entry:
    """What one call takes of a window; it leaves 60 seconds after `settled_at`."""

    units: int
    unit_s: float  # In how long one unit may be sent, as the limit was.
    paced_s: float  # How long the next one waits because of this one.
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
    _share: float = 1.0  # Of what calls may take, what they came to.

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
        entry = Entry(units, 60.0 / usable, units * self._share * 60.0 / usable)
        self._pace = max(self._pace, now - _BURST_S) + entry.paced_s
        self.total += units
        return entry

    def settle(self, entry: Entry | None, units: int, now: float) -> None:
        """Say what a call came to now that it is over."""
        if entry is None:
            return
        # It was counted, so it is corrected, also where there is no limit any more: there may be
        # one again, and what stayed in the total would stay for ever.
        self.total += units - entry.units
        self._pace += units * entry.unit_s - entry.paced_s
        if entry.units:
            share = min(1.0, max(_LEAST_SHARE, units / entry.units))
            self._share += _LEARNING * (share - self._share)
        entry.units, entry.settled_at = units, now
        self._leaving.append(entry)
