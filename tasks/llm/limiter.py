"""Flow control: one limiter per model and server, shared by everything in the process.

    async with limiter.admit(tokens=650, owner=job) as call:
        call.answered(0.8, usage, headers)       # or call.failed(failure)

It bounds the calls under way (`concurrency`), the requests and tokens of any 60 seconds
(`windows`), holds everybody back while the server asks for quiet, and waits out an outage
(`breaker`). A waiting call holds no slot; who came first goes first.
"""

import asyncio
import logging
import re
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from tasks.defects import noting_defects
from tasks.llm.breaker import Breaker
from tasks.llm.concurrency import Concurrency
from tasks.llm.failures import CallFailed
from tasks.llm.money import Usage
from tasks.llm.pulse import Pulse
from tasks.llm.windows import Entry, Window
from tasks.recipe import ModelSettings

_NOTICEABLE = 0.2  # Two counts of tokens that differ by less than this share are the same.
_LONGEST_HOLD_S = 600.0
_SINCE_1970_S = 1e9  # So many seconds are a date.
_WORTH_SAYING_S = 2.0
_FIRST_QUIET_S, _LONGEST_QUIET_S = 1.0, 60.0  # Where a server refuses and does not say how long.
_MOST_DIGITS = 15  # A limit of more is garbage, and too large a number to reckon with.
_MOST_LIMITERS = 64  # A process that serves for months meets a simulator's new port every night.
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)?")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0, "": 1.0}
_LOGGER = logging.getLogger(__name__)


class NotAdmitted(Exception):
    """The call was not made: its owner was stopped while it waited."""


@dataclass(slots=True, eq=False)
class Call:
    """A call that was let in."""

    limiter: "Limiter"
    tokens: int
    is_first: bool = True  # No attempt of it has failed yet, in this run or an earlier one.
    unused: int = 0  # By how much the prompt was thought too long, once its length is known.
    ceilings: Entry | None = None
    actuals: Entry | None = None
    let_in_at: float = 0.0
    lag_s: float = 0.0  # How long after it was let in it went on: what the event loop was late.
    stood_still_s: float = 0.0  # What the pulse said when it was let in.

    def answered(self, latency_s: float, usage: Usage, headers: Mapping[str, str]) -> None:
        """An answer came. Raises nothing, since it was paid for and is yet to be written down."""
        with noting_defects("the limits did not take note of an answer"):
            self.limiter.note_answer(self, latency_s, usage, headers)

    def failed(self, failure: CallFailed) -> None:
        """No answer of use came. Raises nothing, for the same reason."""
        with noting_defects("the limits did not take note of a failure"):
            self.limiter.note_failure(self, failure)


@dataclass(slots=True, eq=False)
class _Waiting:
    """A call that waits to be let in."""

    let_in: asyncio.Future[Call]
    tokens: int
    owner: object
    is_first: bool


@dataclass(frozen=True, slots=True)
class _Held:
    """What keeps the call that came first from a slot that is free, and until when."""

    by: str
    until: float


@dataclass(slots=True)
class _Limits:
    """What may be sent in any 60 seconds.

    Servers count a call's tokens in two ways: what it used, or what it might have used at most.
    The first is assumed until the server's own headers show that it is the second.
    """

    requests: Window = field(default_factory=Window)
    ceilings: Window = field(default_factory=Window)
    actuals: Window = field(default_factory=Window)
    by_ceilings: bool = False

    def configure(self, settings: ModelSettings) -> None:
        """Take over what the recipe says; what the server has said holds as well."""
        self.requests.declared = settings.requests_per_minute
        self.ceilings.declared = self.actuals.declared = settings.tokens_per_minute

    def wait_s(self, tokens: int, now: float) -> float:
        governing = self.ceilings if self.by_ceilings else self.actuals
        return max(self.requests.wait_s(1, now), governing.wait_s(tokens, now))

    def describe(self, tokens: int, now: float) -> str:
        """Name the limit that a call of so many tokens waits for."""
        governing = self.ceilings if self.by_ceilings else self.actuals
        if self.requests.wait_s(1, now) >= governing.wait_s(tokens, now):
            return f"held back by the limit of requests a minute, {self.requests.limit:,}"
        return f"held back by the limit of tokens a minute, {governing.limit:,}"

    def spend(self, call: Call, now: float) -> None:
        self.requests.settle(self.requests.spend(1, now), 1, now)
        call.ceilings = self.ceilings.spend(call.tokens, now)
        call.actuals = self.actuals.spend(call.tokens, now)

    def settle(self, call: Call, ceiling: int, actual: int, now: float) -> None:
        self.ceilings.settle(call.ceilings, ceiling, now)
        self.actuals.settle(call.actuals, actual, now)
        call.ceilings = call.actuals = None

    def read(self, headers: Mapping[str, str]) -> float:
        """Learn from the headers that OpenAI and many others send; return how long to hold."""
        hold = 0.0
        for name, windows in (
            ("requests", (self.requests,)),
            ("tokens", (self.ceilings, self.actuals)),
        ):
            limit = _read_number(headers.get(f"x-ratelimit-limit-{name}"))
            if not limit:
                continue
            left = _read_number(headers.get(f"x-ratelimit-remaining-{name}"))
            for window in windows:
                window.heard = limit
            if left == 0:
                hold = max(hold, read_reset(headers.get(f"x-ratelimit-reset-{name}", "")))
            if left is not None and name == "tokens" and limit == self.actuals.limit:
                self._compare(limit - left)
        return min(hold, 60.0)

    def _compare(self, used: int) -> None:
        """Find out which of the two the server counts."""
        ceilings, actuals = self.ceilings.total, self.actuals.total
        if ceilings - actuals > _NOTICEABLE * ceilings:
            self.by_ceilings = abs(used - ceilings) < abs(used - actuals)


class Limiter:
    """Admission of calls to one model at one server."""

    def __init__(self, settings: ModelSettings) -> None:
        self._concurrency = Concurrency(settings.max_concurrency)
        self._limits = _Limits()
        self._breaker = Breaker()
        self._adaptive = True
        self._under_way = 0
        self._pulse = Pulse(lambda: self._under_way > 0)
        self._waiting: deque[_Waiting] = deque()
        self._quiet_until = 0.0
        self._quiet_s = _FIRST_QUIET_S
        self._timer: asyncio.TimerHandle | None = None
        self._held: _Held | None = None
        self.configure(settings)

    def configure(self, settings: ModelSettings) -> None:
        """Take over the settings of the recipe that runs now."""
        self._adaptive = settings.adaptive_concurrency
        self._breaker.at_once = 2 * settings.max_concurrency
        if settings.max_concurrency != self._concurrency.ceiling:
            self._concurrency = Concurrency(settings.max_concurrency)
        self._limits.configure(settings)

    @property
    def slots(self) -> int:
        """How many calls may be under way at the moment."""
        return self._concurrency.limit if self._adaptive else self._concurrency.ceiling

    @asynccontextmanager
    async def admit(
        self, tokens: int, owner: object, *, is_first: bool = True
    ) -> AsyncIterator[Call]:
        """Wait for a slot and for room in the windows; the slot is given back on exit.

        `tokens` is the most that the call can take; `is_first` says that it has not failed yet.
        Raises NotAdmitted if `turn_away` is called for the owner meanwhile.
        """
        call = None if self._waiting else self._enter(tokens)
        if call is None:
            call = await self._wait(tokens, owner, is_first)
        call.is_first = is_first
        try:
            yield call
        finally:
            self._leave(call)

    def turn_away(self, owner: object) -> None:
        """Let none in of those that wait for an owner."""
        for waiting in self._waiting:
            if waiting.owner == owner and not waiting.let_in.done():
                waiting.let_in.set_exception(NotAdmitted())

    def note_answer(
        self, call: Call, latency_s: float, usage: Usage, headers: Mapping[str, str]
    ) -> None:
        """Count an answer in all that depends on answers."""
        now = time.monotonic()
        if usage.prompt_tokens is not None and usage.completion_tokens is not None:
            self._limits.settle(call, call.tokens - call.unused, usage.tokens, now)
        self._hold(self._limits.read(headers), now)
        self._quiet_s = _FIRST_QUIET_S
        busy = self._under_way >= self.slots
        late_s = call.lag_s + self._pulse.stood_still_s() - call.stood_still_s
        self._concurrency.answered(latency_s, busy=busy, lag_s=late_s)
        if self._breaker.answered():
            _LOGGER.warning("the server answers again")
            self._concurrency.fall_back()

    def note_failure(self, call: Call, failure: CallFailed) -> None:
        """Count a failure in all that depends on failures."""
        now = time.monotonic()
        if failure.failure == "rate_limited":
            self._limits.settle(call, 0, 0, now)
            if self._concurrency.refused(self._under_way - 1) or self._is_alone():
                self._keep_quiet(failure.retry_after_s, now)
        elif failure.failure != "retryable":
            self._breaker.answered()
        else:
            if failure.timed_out:
                self._concurrency.refused(self._under_way - 1)
            if self._breaker.failed(str(failure), is_first=call.is_first):
                _LOGGER.warning("%s", self.describe())

    def outage_s(self) -> float:
        """Return for how long the server has not answered anybody."""
        return self._breaker.outage_s(time.monotonic())

    def has_untried(self, owner: object) -> bool:
        """Say whether a call waits for an owner that may be one the server can answer."""
        return any(each.owner == owner and each.is_first for each in self._waiting)

    def forget_outage(self) -> None:
        """Go on as if the server had answered: who waited for it is given up."""
        self._breaker.forget()

    def describe(self) -> str:
        """Say in a few words what holds everybody back, if anything does."""
        now = time.monotonic()
        if self._breaker.is_open:
            return (
                f"no answer for {self._breaker.outage_s(now):.0f} s ({self._breaker.reason[:80]}); "
                f"next try in {self._breaker.pause_s(now):.0f} s"
            )
        if self._quiet_until > now:
            return f"the server asks to wait {self._quiet_until - now:.0f} s"
        if (held := self._held) is not None:  # Read once: this may be another thread.
            left_s = held.until - now
            return (
                held.by if left_s < _WORTH_SAYING_S else f"{held.by}; next call in {left_s:.0f} s"
            )
        if self.slots < self._concurrency.ceiling:
            return f"{self.slots} at a time"
        return ""

    def _is_alone(self) -> bool:
        return self.slots == 1

    def _keep_quiet(self, asked_s: float | None, now: float) -> None:
        """Hold everybody back for as long as is asked for; unasked, for longer every time."""
        if asked_s is not None:
            self._hold(asked_s, now)
        elif now >= self._quiet_until:
            self._hold(self._quiet_s, now)
            self._quiet_s = min(2 * self._quiet_s, _LONGEST_QUIET_S)

    def _hold(self, seconds: float, now: float) -> None:
        self._quiet_until = max(self._quiet_until, now + min(seconds, _LONGEST_HOLD_S))

    def _pause_s(self, tokens: int, now: float) -> float:
        return max(
            self._quiet_until - now,
            self._breaker.pause_s(now),
            self._limits.wait_s(tokens, now),
            0.0,
        )

    def _enter(self, tokens: int) -> Call | None:
        """Take a slot if there is one and nothing else is in the way."""
        now = time.monotonic()
        if self._under_way >= self.slots or self._pause_s(tokens, now) > 0:
            return None
        self._under_way += 1
        self._breaker.begin_trial(now)
        self._pulse.start()
        call = Call(self, tokens, let_in_at=now, stood_still_s=self._pulse.stood_still_s())
        self._limits.spend(call, now)
        return call

    def _leave(self, call: Call) -> None:
        """Give the slot back; of a call that nobody has accounted for the most is counted."""
        self._limits.settle(call, call.tokens, call.tokens, time.monotonic())
        self._under_way -= 1
        self._let_in()

    async def _wait(self, tokens: int, owner: object, is_first: bool) -> Call:
        waiting = _Waiting(asyncio.get_running_loop().create_future(), tokens, owner, is_first)
        self._waiting.append(waiting)
        self._let_in()
        try:
            call = await waiting.let_in
            call.lag_s = time.monotonic() - call.let_in_at
            return call
        except asyncio.CancelledError:
            if waiting.let_in.done() and not waiting.let_in.cancelled():
                self._leave(waiting.let_in.result())  # It was let in and will never know.
            raise

    def _let_in(self) -> None:
        """Let in whoever may enter, in the order of their coming; look again when one may."""
        while self._waiting:
            first = self._next()
            if first.let_in.done():  # Turned away or cancelled.
                self._waiting.remove(first)
                continue
            call = self._enter(first.tokens)
            if call is None:
                break
            self._waiting.remove(first)
            first.let_in.set_result(call)
        self._look_again()

    def _next(self) -> _Waiting:
        """Return who comes first; to look after a server, who has not failed there yet."""
        if self._breaker.is_open:
            return next((each for each in self._waiting if each.is_first), self._waiting[0])
        return self._waiting[0]

    def _look_again(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._held = None
        if self._waiting and self._under_way < self.slots:
            now, tokens = time.monotonic(), self._next().tokens
            if (wait_s := self._limits.wait_s(tokens, now)) > 0:
                self._held = _Held(self._limits.describe(tokens, now), now + wait_s)
            pause = self._pause_s(tokens, now)
            self._timer = asyncio.get_running_loop().call_later(max(pause, 0.001), self._let_in)


def limiter_of(base_url: str, settings: ModelSettings) -> Limiter:
    """Return the limiter that everything in the process shares for a model at a server.

    The ones asked for last are remembered with what they have learned; one that is in use is always
    found again, however many others came since.
    """
    with _LIMITERS_LOCK:
        key = (base_url, settings.model)
        limiter = _LIMITERS.get(key)
        if limiter is None:
            limiter = _LIMITERS[key] = Limiter(settings)
        else:
            limiter.configure(settings)
        _LAST_LIMITERS.pop(key, None)
        _LAST_LIMITERS[key] = limiter
        if len(_LAST_LIMITERS) > _MOST_LIMITERS:
            del _LAST_LIMITERS[next(iter(_LAST_LIMITERS))]
        return limiter


def read_reset(text: str) -> float:
    """Return the seconds until a limit is whole again; some servers say when that is instead."""
    seconds = read_duration(text)
    return max(0.0, seconds - time.time()) if seconds >= _SINCE_1970_S else seconds


def read_duration(text: str) -> float:
    """Return the seconds of `6m0s`, `250ms` or `1.5`; 0 if it is none of these."""
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text.strip():
        return 0.0
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def _read_number(text: str | None) -> int | None:
    """Return a count that a header says; None if it is none, or one that nobody can mean."""
    if not text or len(text) > _MOST_DIGITS or not text.isascii() or not text.isdigit():
        return None
    return int(text)


_LIMITERS: WeakValueDictionary[tuple[str, str], Limiter] = WeakValueDictionary()
_LAST_LIMITERS: dict[tuple[str, str], Limiter] = {}
_LIMITERS_LOCK = threading.Lock()
