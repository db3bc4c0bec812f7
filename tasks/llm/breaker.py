"""The breaker: when a server stops answering, everybody waits while one call looks after it.

    breaker = Breaker()
    breaker.failed("status 503", is_first=True)  # twenty of these in a row, and it is open
    breaker.pause_s(now) -> 1.0       # nobody is let in; then one call is, as a trial

A pause doubles with every trial that fails, up to a minute. The first answer closes it.

What counts is that one call after another fails, not that one fails again and again: a prompt that
no server can answer says nothing about this one.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

_FEWEST_IN_A_ROW, _MOST_IN_A_ROW = 4, 20
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 60.0


@dataclass(slots=True)
class Breaker:
    """Counts calls that fail in a row at a server that has answered before.

    `at_once` is how many are on their way together, tried again and again: no more can fail.
    """

    at_once: int = _MOST_IN_A_ROW
    clock: Callable[[], float] = time.monotonic
    reason: str = ""
    _in_a_row: int = field(init=False, default=0)
    _has_answered: bool = field(init=False, default=False)
    _opened_at: float | None = field(init=False, default=None)
    _on_trial: bool = field(init=False, default=False)
    _next_trial: float = field(init=False, default=0.0)
    _pause_s: float = field(init=False, default=_FIRST_PAUSE_S)

    @property
    def is_open(self) -> bool:
        return self._opened_at is not None

    def pause_s(self, now: float) -> float:
        """Return how long nobody is let in; 0 if the breaker is closed or a trial is due."""
        return max(0.0, self._next_trial - now) if self.is_open else 0.0

    def begin_trial(self, now: float) -> None:
        """A call is let in: while the breaker is open it is the only one for another pause."""
        self._on_trial = self.is_open
        self._next_trial = now + self._pause_s

    def outage_s(self, now: float) -> float:
        """Return for how long the server has been away."""
        return now - self._opened_at if self._opened_at is not None else 0.0

    def forget(self) -> None:
        """Let everybody in again: those that waited are given up."""
        self._in_a_row, self._opened_at, self._pause_s = 0, None, _FIRST_PAUSE_S

    def answered(self) -> bool:
        """Count a sign of life; return whether it ended an outage."""
        was_open = self.is_open
        self._has_answered = True
        self.forget()
        return was_open

    def failed(self, reason: str, *, is_first: bool) -> bool:
        """Count a failure that says the server is unwell; return whether it opened the breaker.

        `is_first` says that it is the first of its call, and that no earlier run had one of it.

        A server that never answered is no outage: the run says so and ends.
        """
        self._in_a_row += is_first
        self.reason = reason
        now = self.clock()
        if self.is_open and self._on_trial:
            self._on_trial = False
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
            self._next_trial = now + self._pause_s
            return False
        enough = min(max(self.at_once, _FEWEST_IN_A_ROW), _MOST_IN_A_ROW)
        if self.is_open or not self._has_answered or self._in_a_row < enough:
            return False
        self._opened_at, self._next_trial = now, now + self._pause_s
        return True
