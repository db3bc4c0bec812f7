"""Adaptive concurrency: as many calls at once as pay, and no more.

    concurrency = Concurrency(256)            # never more than that
    concurrency.answered(0.8, busy=True, lag_s=0.001)  # after 0.8 s, while every slot was taken
    concurrency.refused(under_way=31)         # a 429 or a timeout
    concurrency.limit -> 33

The start is slow in TCP's sense: every answer adds a slot. It ends when answers take longer
(servers such as vLLM queue what they cannot work on and never refuse it) or are refused. From then
on windows of answers are compared: the limit creeps up while latency stays what it was, falls in
proportion when it rises, and the fall is taken back where it shortened nothing, since then it is
the answers that have grown. At the end of the start, after a fall that did help and now and then,
half the slots are tried: a server that was slow from its first answer on is found out by a
throughput that does not suffer.
Refusals in a burst may take the limit down to one: it comes back as at the start up to where the
first of them had put it, which was what the server could take, and from there in short windows.
Latencies are compared by their geometric means, as they are about lognormal. A window in which
this process itself was late, because it has more to do than its core can, tells nothing about the
server.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

_FIRST_SHARE, _FIRST = 4, 8  # A quarter of the ceiling at first, or so many if that is more.
_FEWEST_FIRST, _FEWEST = 24, 128  # Answers in a window, at the start and later.
_RISEN = math.log(1.4)
_CALM = math.log(1.2)
_SHORTER = math.log(0.9)
_SURE = 4.0  # Standard errors by which a rise must stand out: it is compared with a minimum.
_HEADROOM = 1.15  # Slots over what the latency at rest can fill, so that the server never idles.
_MANY_REFUSED = 10
_OVERLOADED, _TOLERATED = 0.15, 0.08  # Shares of refusals and timeouts.
_TRY_AGAIN = 40  # Windows without an event, after which half the slots are tried again.
_LATE = 0.08  # Our own lag as a share of a latency, in which it comes two or three times.
_PAYS = 0.85  # Half the slots with more of the throughput than this: the other half only queued.
_FEWEST_HALVED, _HOPELESS = 32, 0.6  # With so few answers and so little of it, clearly no.

Phase = Literal["start", "steady", "fallen", "halved"]


@dataclass(slots=True)
class Sums:
    """What was seen since a window began; latencies as logarithms of seconds."""

    began: float
    answers: int = 0
    refused: int = 0
    busy: int = 0
    total: float = 0.0
    squares: float = 0.0
    lag: float = 0.0

    def add(self, latency_s: float, busy: bool, lag_s: float) -> None:
        """Count an answer."""
        logarithm = math.log(max(latency_s, 1e-4))
        self.answers += 1
        self.busy += busy
        self.lag += lag_s
        self.total += logarithm
        self.squares += logarithm**2

    @property
    def mean(self) -> float:
        return self.total / self.answers

    @property
    def variance(self) -> float:
        """The squared standard error of the mean."""
        return max(0.0, self.squares / self.answers - self.mean**2) / self.answers

    @property
    def is_busy(self) -> bool:
        """Whether it was mostly the limit that kept calls waiting, and not this process."""
        is_late = self.lag > _LATE * self.answers * math.exp(self.mean)
        return 2 * self.busy > self.answers and not is_late

    def throughput(self, now: float) -> float:
        """Return answers a second."""
        return self.answers / max(now - self.began, 1e-9)


@dataclass(frozen=True, slots=True)
class _Before:
    """What it was like before the limit was changed on trial."""

    limit: int
    phase: Phase
    mean: float
    throughput: float


@dataclass(frozen=True, slots=True)
class _Burst:
    """What the limit was when refusals began, and what the first fall left of it.

    It goes on until a window has few of them.
    """

    lost: int = 0
    kept: int = 0
    goes_on: bool = False


@dataclass(slots=True)
class Concurrency:
    """The number of calls to have under way, between 1 and `ceiling`."""

    ceiling: int
    clock: Callable[[], float] = time.monotonic
    limit: int = field(init=False)
    phase: Phase = field(init=False, default="start")
    _rest: Sums | None = field(init=False, default=None)  # The window of the shortest latency.
    _before: _Before = field(init=False, default=_Before(0, "start", 0.0, 0.0))
    _skip: int = field(init=False, default=0)
    _calm_windows: int = field(init=False, default=0)
    _burst: _Burst = field(init=False, default=_Burst())
    _outdated: int = field(init=False, default=0)  # Calls under way at the last fall by refusals.
    _sums: Sums = field(init=False)

    def __post_init__(self) -> None:
        self.limit = self._skip = self._first()
        self._sums = Sums(self.clock())

    def answered(self, latency_s: float, *, busy: bool, lag_s: float = 0.0) -> None:
        """Count an answer; `busy` says that every slot was taken when it came.

        `lag_s` is how long the call, once let in, waited for this process to go on with it.
        """
        self._outdated = max(0, self._outdated - 1)
        most = self.ceiling if self.phase == "start" else self._burst.kept
        if busy and self.limit < most:
            self.limit += 1
        if self._skip:
            self._skip -= 1
            if not self._skip:
                self._sums = Sums(self.clock())
            return
        self._sums.add(latency_s, busy, lag_s)
        if self._sums.answers >= self._enough() or self._is_hopeless():
            self._judge(self._sums, self.clock())

    def refused(self, under_way: int) -> bool:
        """Count a refusal or a timeout, with so many other calls under way.

        Returns whether there are so many that it is overload. Refusals come back at once, answers
        take their time: those that may still come are counted with the answers. What was under way
        when the limit fell says only once more why it did.
        """
        if self._outdated:
            self._outdated -= 1
            return True
        sums = self._sums
        sums.refused += 1
        share = sums.refused / (sums.answers + sums.refused + under_way)
        if sums.refused < _MANY_REFUSED or share <= _OVERLOADED:
            return False
        fallen = max(1, int(self.limit * max(0.5, 1 - share)))
        if not self._burst.goes_on:
            self._burst = _Burst(lost=self.limit, kept=fallen, goes_on=True)
        elif sums.answers:
            self._burst = replace(self._burst, kept=fallen)
        self._outdated = under_way
        self._set(fallen, "steady")
        return True

    def fall_back(self) -> None:
        """Begin again with few: the server was away."""
        self._burst = _Burst()
        self._set(self._first(), "start")

    def _first(self) -> int:
        return min(self.ceiling, max(self.ceiling // _FIRST_SHARE, _FIRST))

    def _enough(self) -> int:
        """How many answers make a window."""
        if self.phase == "start":
            return max(self.limit // 2, _FEWEST_FIRST)
        if self._is_regaining():
            return max(2 * self.limit, _FEWEST_FIRST)
        return max(2 * self.limit, _FEWEST)

    def _is_regaining(self) -> bool:
        """Whether it was well with more than this until they were refused."""
        return self.phase == "steady" and self.limit < self._burst.lost

    def _is_hopeless(self) -> bool:
        """Whether half the slots do so much less that nothing of the trial is left to be seen."""
        return (
            self.phase == "halved"
            and self._sums.answers >= _FEWEST_HALVED
            and self._sums.throughput(self.clock()) < _HOPELESS * self._before.throughput
        )

    def _judge(self, sums: Sums, now: float) -> None:
        """Compare a window with those before it, and set the limit for the next."""
        if self.phase == "halved":
            self._judge_half(sums, now)
        elif self.phase == "fallen" and sums.mean > self._before.mean + _SHORTER:
            self._rest = sums  # It is the answers that take longer, not the queue.
            self._set(self._before.limit, self._before.phase)
        elif self._rest is not None and self._has_risen(sums, self._rest):
            self._remember(sums, now)
            below = math.exp(self._rest.mean - sums.mean) * _HEADROOM
            if self.phase == "start":
                self._rest = None  # The quickest come first: nothing is to be held against that.
            self._set(min(self.limit - 1, round(self.limit * below)), "fallen")
        else:
            if self._rest is None or not self._is_regaining():  # Of few answers the least is low.
                self._note_rest(sums)
            self._go_on(sums, now)

    def _has_risen(self, sums: Sums, rest: Sums) -> bool:
        error = math.sqrt(sums.variance + rest.variance)
        return sums.is_busy and sums.mean - rest.mean > max(_RISEN, _SURE * error)

    def _go_on(self, sums: Sums, now: float) -> None:
        """All is well: try half the slots after a fall, else let the limit creep up."""
        assert self._rest is not None
        if self.phase == "fallen":
            self._try_half(sums, now)
            return
        few_refused = sums.refused <= _TOLERATED * (sums.answers + sums.refused)
        if few_refused and self._burst.goes_on:
            self._burst = replace(self._burst, goes_on=False)
        if self.phase == "start" and self.limit == self.ceiling:
            # What came while slots were added were the quicker answers: measure anew.
            self._rest = None
            self._before = _Before(self.limit, "steady", math.inf, 0.0)
            self._set(self.limit, "fallen")
            return
        self._calm_windows += 1
        if self.phase == "steady" and self._calm_windows >= _TRY_AGAIN:
            self._try_half(sums, now)
            return
        is_calm = self._is_regaining() or sums.mean < self._rest.mean + _CALM
        calm = sums.is_busy and few_refused and is_calm
        if self.phase == "steady" and calm:
            self.limit = min(self.ceiling, self.limit + max(1, self.limit // 10))
        self._sums = Sums(now)

    def _try_half(self, sums: Sums, now: float) -> None:
        self._remember(sums, now)
        self._calm_windows = 0
        if self.limit > _FIRST and sums.is_busy:  # Fewer are what somebody has asked for.
            self._set(-(-self.limit // 2), "halved")
            # Throughput is what it is as soon as only half are under way, whenever they were begun.
            self._skip -= self.limit
        else:
            self._set(self.limit, "steady")

    def _judge_half(self, sums: Sums, now: float) -> None:
        if sums.is_busy and sums.throughput(now) > _PAYS * self._before.throughput:
            self._note_rest(sums)
            self._try_half(sums, now)
        else:
            self._set(self._before.limit, "steady")

    def _note_rest(self, sums: Sums) -> None:
        if self._rest is None or sums.mean < self._rest.mean:
            self._rest = sums

    def _remember(self, sums: Sums, now: float) -> None:
        phase: Phase = "start" if self.phase == "start" else "steady"
        self._before = _Before(self.limit, phase, sums.mean, sums.throughput(now))

    def _set(self, limit: int, phase: Phase) -> None:
        """Change the limit; the answers to calls that are under way say nothing about it."""
        self._skip = self.limit
        self.limit, self.phase = min(self.ceiling, max(1, limit)), phase
        self._sums = Sums(self.clock())
