"""The engine: draws samples, tries again where that helps, and makes every outcome durable.

    complete(store, endpoint, requests, run_id=…, purse=…, advance=…)
    → Completion(completed=7_990, failed=10, cost_usd=1.84)

Requests are pulled from a feed by a fixed number of workers, so memory does not grow with what is
pending and no call waits for another. A call that waits to be tried again holds no slot.
"""

import asyncio
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from openai import AsyncOpenAI
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception
from tenacity.wait import wait_random_exponential

from tasks import metrics
from tasks.errors import ModelServerError, RunInterrupted, StoreError
from tasks.llm.client import Answer, ask, open_client
from tasks.llm.failures import HOPELESS, MOST_MALFORMED, CallFailed
from tasks.llm.feed import Feed
from tasks.llm.limiter import Limiter, NotAdmitted, limiter_of
from tasks.llm.loop import event_loop, run_on_loop
from tasks.llm.money import Amount, Bill, Purse, Usage, most_prompt_tokens, reserve_for
from tasks.llm.pending import has_answered
from tasks.llm.request import (
    Endpoint,
    Keys,
    Request,
    ask_above,
    ceiling_of,
    identify,
    size_of,
)
from tasks.llm.rows import failure_row, response_row
from tasks.llm.writer import Writer
from tasks.store import Store

_WORKERS_PER_SLOT = 2  # The surplus waits out its backoff while the others keep the slots full.
_BACKOFF = wait_random_exponential(multiplier=0.5, max=30)
_STOPPED = "stopped; run again to continue"
_CUT_OFF = CallFailed(
    "retryable", "it was in flight when the process ended; whether it was paid for, nobody knows"
)
_CALL_IDS = map(f"{uuid.uuid4().hex}-{{}}".format, count())
Advance = Callable[[int, int, float | None], None]


def _ignore(*_: object) -> None:
    """Tell nobody."""


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
class _Progress:
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


@dataclass(frozen=True, slots=True, eq=False)
class _Call:
    """A request on its way to an outcome: its identity, its attempts' bill, its spoilt answers."""

    request: Request
    keys: Keys
    call_id: str = field(default_factory=lambda: next(_CALL_IDS))
    bill: Bill = field(default_factory=Bill)
    spoilt: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """What the workers of one `complete` share."""

    endpoint: Endpoint
    client: AsyncOpenAI
    feed: Feed
    limiter: Limiter
    purse: Purse
    writer: Writer
    progress: _Progress
    advance: Advance
    rejected: list[tuple[_Call, CallFailed]] = field(default_factory=list)  # Since an answer came.


def complete(
    store: Store,
    endpoint: Endpoint,
    requests: Iterable[Request],
    *,
    run_id: str,
    purse: Purse,
    advance: Advance = _ignore,
    tick: Callable[[Completion], None] = _ignore,
) -> Completion:
    """Make every call and return the totals when all outcomes are in the store.

    `advance(completed, failed, cost_usd)` is told each outcome; `tick` is called with the totals
    about once a second, in the caller's thread. The caller leaves out what the store has already
    (`pending.leave_out_known`). Raises ModelServerError if no call can succeed,
    BudgetReached at the cap, StoreError if outcomes cannot be kept; whatever completed before is
    in the store.
    """
    with stoppable() as progress, Writer(store, run_id) as writer:
        job = _Job(
            endpoint=endpoint,
            client=open_client(endpoint),
            feed=Feed(requests),
            limiter=limiter_of(endpoint.base_url, endpoint.settings),
            purse=purse,
            writer=writer,
            progress=progress,
            advance=advance,
        )
        run_on_loop(_work_all(job), lambda: _tell(job, tick))
        is_alive = progress.completed > 0 or has_answered(store, endpoint)
        _record_rejected(job, are_at_fault=progress.stop is None and is_alive)
        tick(progress.totals())
    if progress.stop is not None:
        raise progress.stop
    return progress.totals()


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


def is_calling() -> bool:
    """Say whether calls are under way, whose answers will be paid for."""
    return bool(_UNDER_WAY)


async def _work_all(job: _Job) -> None:
    slots = job.endpoint.settings.max_concurrency
    async with job.client:
        workers = [asyncio.create_task(_work(job)) for _ in range(slots * _WORKERS_PER_SLOT)]
        watcher = asyncio.create_task(_turn_away_when_stopped(job))
        try:
            await asyncio.gather(*workers)
        finally:
            for task in (watcher, *workers):
                task.cancel()
            await asyncio.gather(watcher, *workers, return_exceptions=True)


async def _turn_away_when_stopped(job: _Job) -> None:
    """Let nobody wait for a slot, a minute's end or a server once the run was stopped."""
    await job.progress.stopped.wait()
    while True:
        job.limiter.turn_away(job)
        await asyncio.sleep(0.05)


async def _work(job: _Job) -> None:
    """Take requests until there are none, or until something stops the run."""
    try:
        while job.progress.stop is None:
            if job.writer.error is not None:
                raise job.writer.error
            if job.writer.is_full():
                await asyncio.sleep(0.02)
                continue
            request = await job.feed.take()
            if request is None:
                return
            while request is not None and job.progress.stop is None:
                request = await _complete_one(job, request)
    except Exception as error:
        # The others finish what is in flight, so that nothing paid for is thrown away.
        job.progress.end(error)


async def _complete_one(job: _Job, request: Request) -> Request | None:
    """Have one outcome of a request; return it under a higher ceiling if it was cut off."""
    call = _Call(request, identify(job.endpoint, request))
    bill = call.bill
    try:
        try:
            answer = await _attempt(job, call)
        except CallFailed as failure:
            answer = await _try_again(job, call, failure)
    except CallFailed as failure:
        if _is_cut_short(job, failure, call):
            failure = _not_tried_again(job.progress.stop)
        job.progress.failed_anew += not request.has_failed
        if failure.failure == "rejected":
            job.rejected.append((call, failure))
            _count_failure(job, call)
            _look_at_rejected(job)
        else:
            _record_failure(job, call, failure)
        _give_up_if_hopeless(job, failure)
        return None
    except BaseException as error:
        # It was stopped between two attempts or in one: those that were made may have been paid
        # for, and a budget that is continued has to know of them.
        if bill.attempts:
            _record_failure(job, call, _not_tried_again(error))
        if isinstance(error, NotAdmitted):
            return None
        raise
    row = response_row(job.endpoint, request, call.keys, answer, bill)
    job.writer.put("responses", row, call.call_id)
    _record_rejected(job, are_at_fault=True)
    ceiling = ceiling_of(job.endpoint, request)
    raised = None
    if answer.finish_reason == "length" and ceiling is not None:
        raised = ask_above(job.endpoint, request, ceiling)
    _measure(job, request, "completed" if raised is None else "raised", bill, answer.latency_s)
    over = int(raised is None)
    job.progress.count(bill.cost_usd, completed=over)
    job.advance(over, 0, bill.cost_usd)
    return raised


async def _try_again(job: _Job, call: _Call, failure: CallFailed) -> Answer:
    """Have tenacity try as often as can help, after a first attempt that failed.

    It hears of that one as of the others. Most calls need no second, and then it is not asked: its
    bookkeeping is a tenth of a call's processor time.
    """
    first: list[CallFailed] = [failure]
    async for attempt in _retrying(job, call):
        with attempt:
            if first:
                raise first.pop()
            return await _attempt(job, call)
    raise AssertionError("tenacity raises what the last attempt raised")


def _is_cut_short(job: _Job, failure: CallFailed, call: _Call) -> bool:
    """Say whether only the end of the run kept a model from being told what was malformed."""
    return (
        job.progress.stop is not None
        and failure.failure == "malformed"
        and len(call.spoilt) < MOST_MALFORMED
        and call.bill.attempts < job.endpoint.settings.max_attempts
    )


def _not_tried_again(error: BaseException | None) -> CallFailed:
    """Return the failure of a call that may yet succeed, in a later run."""
    why = str(error or "") or "the run was stopped"
    return CallFailed("retryable", f"not tried again: {why}")


def _record_failure(job: _Job, call: _Call, failure: CallFailed) -> None:
    """Write a call down that has no answer, with what all its attempts cost."""
    job.writer.put("failures", _failure_row(job, call, failure, call.bill), call.call_id)
    _count_failure(job, call)


def _count_failure(job: _Job, call: _Call) -> None:
    _measure(job, call.request, "failed", call.bill)
    job.progress.count(call.bill.cost_usd, failed=1)
    job.advance(0, 1, call.bill.cost_usd)


def _record_rejected(job: _Job, *, are_at_fault: bool) -> None:
    """Write down what was rejected since anything was answered, once the fault is known.

    Of a server that answers nothing it is the settings, the account, the model or the server that
    will be mended: such calls are asked again by the next run, others never.
    """
    for call, failure in job.rejected:
        failure.failure = "rejected" if are_at_fault else "retryable"
        job.writer.put("failures", _failure_row(job, call, failure, call.bill), call.call_id)
    job.rejected.clear()


def _look_at_rejected(job: _Job) -> None:
    """Stop the run if one call after the other is rejected in the same words.

    It has answered others, so the account may have run dry. Where the words differ each was looked
    at.
    """
    if len(job.rejected) < HOPELESS or not job.progress.completed:
        return
    said = {failure.message for _, failure in job.rejected}
    if len(said) > 1:
        _record_rejected(job, are_at_fault=True)
        return
    job.progress.end(
        ModelServerError(
            f"{job.endpoint.base_url} rejected the last {len(job.rejected)} calls to "
            f"{job.endpoint.settings.model!r} in the same words: {said.pop()}. What was completed "
            "is in the store; run again once that is mended, and they are asked again."
        )
    )


def _failure_row(job: _Job, call: _Call, failure: CallFailed, bill: Bill) -> dict[str, Any]:
    return failure_row(job.endpoint, call.request, call.keys, failure, bill, call.call_id)


async def _attempt(job: _Job, call: _Call) -> Answer:
    """Ask once, inside the limits and the budget.

    What it cost is added to the call's bill, an answer of the wrong form to what was `spoilt`.
    """
    request, bill, spoilt = call.request, call.bill, call.spoilt
    size = size_of(request, spoilt)
    ceiling = ceiling_of(job.endpoint, request)
    reservation = reserve_for(job.endpoint.settings, size, ceiling)
    await _wait_while_held(job)
    is_first = bill.attempts == 0 and not request.has_failed
    async with job.limiter.admit(reservation.tokens, job, is_first=is_first) as admitted:
        await _reserve(job, reservation)
        _write_down_begun(job, call, reservation)
        usage: Usage | None = None
        unanswered = True
        under_way = metrics.IN_FLIGHT.labels(job.endpoint.settings.model)
        under_way.inc()
        try:
            answer = await ask(job.client, job.endpoint, request, spoilt)
            usage, unanswered = answer.usage, False
            if usage.prompt_tokens is not None:
                admitted.unused = max(0, most_prompt_tokens(size) - usage.prompt_tokens)
            admitted.answered(answer.latency_s or 0.0, usage, answer.headers)
            return answer
        except CallFailed as failure:
            usage, unanswered = failure.usage, failure.unanswered
            metrics.FAILURES.labels(
                request.role, job.endpoint.settings.model, failure.failure
            ).inc()
            admitted.failed(failure)
            _end_a_long_outage(job)
            if failure.failure == "malformed":
                spoilt.append(failure.text or "")
            raise
        except ModelServerError:
            unanswered = False
            raise
        finally:
            under_way.dec()
            prices = job.endpoint.settings.prices
            if unanswered:
                taken = bill.add_unanswered(prices, reservation)
            else:
                taken = bill.add(usage, prices, reservation)
            job.purse.settle(reservation, taken)


def _write_down_begun(job: _Job, call: _Call, reservation: Amount) -> None:
    """Write down what a call costs at most if it is cut off: a later run has to know of it.

    Raises StoreError, with the reservation given back, if the journal does not take it.
    """
    bill = replace(call.bill)
    bill.add_unanswered(job.endpoint.settings.prices, reservation)
    try:
        job.writer.begin(_failure_row(job, call, _CUT_OFF, bill))
    except StoreError:
        job.purse.settle(reservation, Amount())
        raise


async def _wait_while_held(job: _Job) -> None:
    """Wait, outside every limit, until calls may begin. Raises NotAdmitted once it is stopped."""
    while _HELD.is_set():
        if job.progress.stop is not None:
            raise NotAdmitted
        await asyncio.sleep(0.1)


async def _reserve(job: _Job, reservation: Amount) -> None:
    """Set the call's greatest cost aside; waits for calls in flight if only they are in the way."""
    while not job.purse.fits(reservation):
        if job.purse.is_idle():
            raise job.purse.reached()
        if job.progress.stop is not None:
            raise NotAdmitted
        await asyncio.sleep(0.01)
    job.purse.reserve(reservation)


def _retrying(job: _Job, call: _Call) -> AsyncRetrying:
    last: list[BaseException] = []

    def can_help(error: BaseException) -> bool:
        last[:] = [error]
        return (
            isinstance(error, CallFailed)
            and error.can_be_retried
            and len(call.spoilt) < MOST_MALFORMED
            and job.progress.stop is None
            and not job.progress.gives_up
        )

    async def sleep(seconds: float) -> None:
        failure = CallFailed("retryable", f"not tried again, the process ended: {last[0]}")
        job.writer.begin(_failure_row(job, call, failure, call.bill))
        with suppress(TimeoutError):
            await asyncio.wait_for(job.progress.stopped.wait(), seconds)
            raise last[0]

    return AsyncRetrying(
        sleep=sleep,
        retry=retry_if_exception(can_help),
        wait=_wait_before_retry,
        stop=_stop_after(job.endpoint.settings.max_attempts, call),
        reraise=True,
    )


def _stop_after(most: int, call: _Call) -> Callable[[RetryCallState], bool]:
    """Stop after so many attempts; what an earlier run has tried in vain is asked once a run."""

    def stop(state: RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        is_its_fault = (
            isinstance(error, CallFailed)
            and error.failure != "rate_limited"
            and not _is_absent(error)
        )
        return state.attempt_number >= most or (call.request.has_failed and is_its_fault)

    return stop


def _wait_before_retry(state: RetryCallState) -> float:
    """Jittered exponential backoff, and never less than the server asked for.

    A malformed answer is no sign of overload, so there is nothing to wait for.
    """
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, CallFailed) and error.failure == "malformed":
        return 0.0
    asked = error.retry_after_s if isinstance(error, CallFailed) else None
    return max(asked or 0.0, _BACKOFF(state))


def _give_up_if_hopeless(job: _Job, failure: CallFailed) -> None:
    """Stop the run if nothing has ever worked: it is the server or the settings, not the rows."""
    progress = job.progress
    is_hopeless = _is_absent(failure) or progress.failed_anew >= HOPELESS
    if progress.completed == 0 and is_hopeless:
        progress.end(
            ModelServerError(
                f"{job.endpoint.base_url} answered none of the first {progress.failed} calls to "
                f"{job.endpoint.settings.model!r}: {failure.message}"
            )
        )


def _is_absent(failure: CallFailed) -> bool:
    """Say whether nobody was there: an absent server is absent for everybody."""
    return failure.message.startswith("connection failed")


def _end_a_long_outage(job: _Job) -> None:
    """Stop the run when a server that has answered before stays away for too long.

    Where nothing is left but calls that have failed, it may be theirs that they do: they are given
    up, recorded, and asked once more by the next run.
    """
    outage, patience = job.limiter.outage_s(), job.endpoint.settings.max_outage_s
    if outage <= patience:
        return
    if job.feed.is_exhausted and not job.limiter.has_untried(job):
        job.progress.gives_up = True
        job.limiter.forget_outage()
    else:
        raise ModelServerError(
            f"{job.endpoint.base_url} has not answered for {outage:.0f} s (`max_outage_s` is "
            f"{patience:g}): {job.limiter.describe()}. What was completed is in the store; run "
            "again to continue."
        )


def _tell(job: _Job, tick: Callable[[Completion], None]) -> None:
    """Tell the caller and whoever collects metrics how far it is."""
    model = job.endpoint.settings.model
    metrics.LIMIT.labels(model).set(job.limiter.slots)
    tick(job.progress.totals("paused in Prefect" if _HELD.is_set() else job.limiter.describe()))


def _measure(
    job: _Job, request: Request, outcome: str, bill: Bill, seconds: float | None = None
) -> None:
    metrics.count_call(request.role, job.endpoint.settings.model, outcome, bill, seconds)


@contextmanager
def stoppable() -> Iterator[_Progress]:
    """Count work that `stop_calling` reaches. Raises RunInterrupted if the process is ending."""
    if _ENDING.is_set():
        raise RunInterrupted(_STOPPED)
    progress = _Progress()
    _UNDER_WAY.add(progress)
    try:
        yield progress
    finally:
        _UNDER_WAY.discard(progress)


_UNDER_WAY: set[_Progress] = set()
_ENDING = threading.Event()
_HELD = threading.Event()
