"""Attempts: a call is asked inside the limits and the budget, and again where that can help.

    await attempt(job, call) → Answer(content="…", finish_reason="stop", usage=Usage(120, 0, 300))

`tenacity` alone retries. What an attempt cost, answered or not, is on the call's bill, and what it
may cost is written down before it is sent.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception
from tenacity.wait import wait_random_exponential

from tasks import metrics
from tasks.errors import ModelServerError, StoreError
from tasks.llm.client import Answer, ask
from tasks.llm.failures import MOST_MALFORMED, CallFailed
from tasks.llm.giving_up import end_a_long_outage, is_absent
from tasks.llm.job import Call, Job
from tasks.llm.limiter import NotAdmitted
from tasks.llm.money import Amount, Usage, most_prompt_tokens, reserve_for
from tasks.llm.outcomes import describe_failure
from tasks.llm.request import ceiling_of, size_of
from tasks.llm.under_way import is_held

_BACKOFF = wait_random_exponential(multiplier=0.5, max=30)
_CUT_OFF = CallFailed(
    "retryable", "it was in flight when the process ended; whether it was paid for, nobody knows"
)


async def attempt(job: Job, call: Call) -> Answer:
    """Ask until there is an answer or no attempt is left. Raises CallFailed for the last one."""
    try:
        return await _attempt_once(job, call)
    except CallFailed as failure:
        return await _attempt_again(job, call, failure)


async def _attempt_again(job: Job, call: Call, failure: CallFailed) -> Answer:
    """Have tenacity try as often as can help, after a first attempt that failed.

    It hears of that one as of the others. Most calls need no second, and then it is not asked: its
    bookkeeping is a tenth of a call's processor time.
    """
    first: list[CallFailed] = [failure]
    async for another in _retrying(job, call):
        with another:
            if first:
                raise first.pop()
            return await _attempt_once(job, call)
    raise AssertionError("tenacity raises what the last attempt raised")


async def _attempt_once(job: Job, call: Call) -> Answer:
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
        in_flight = metrics.IN_FLIGHT.labels(job.endpoint.settings.model)
        in_flight.inc()
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
            end_a_long_outage(job)
            if failure.failure == "malformed":
                spoilt.append(failure.text or "")
            raise
        except ModelServerError:
            unanswered = False
            raise
        finally:
            in_flight.dec()
            prices = job.endpoint.settings.prices
            if unanswered:
                taken = bill.add_unanswered(prices, reservation)
            else:
                taken = bill.add(usage, prices, reservation)
            job.purse.settle(reservation, taken)


def _write_down_begun(job: Job, call: Call, reservation: Amount) -> None:
    """Write down what a call costs at most if it is cut off: a later run has to know of it.

    Raises StoreError, with the reservation given back, if the journal does not take it.
    """
    bill = replace(call.bill)
    bill.add_unanswered(job.endpoint.settings.prices, reservation)
    try:
        job.writer.begin(describe_failure(job, call, _CUT_OFF, bill))
    except StoreError:
        job.purse.settle(reservation, Amount())
        raise


async def _wait_while_held(job: Job) -> None:
    """Wait, outside every limit, until calls may begin. Raises NotAdmitted once it is stopped."""
    while is_held():
        if job.progress.stop is not None:
            raise NotAdmitted
        await asyncio.sleep(0.1)


async def _reserve(job: Job, reservation: Amount) -> None:
    """Set the call's greatest cost aside; waits for calls in flight if only they are in the way."""
    while not job.purse.fits(reservation):
        if job.purse.is_idle():
            raise job.purse.reached()
        if job.progress.stop is not None:
            raise NotAdmitted
        await asyncio.sleep(0.01)
    job.purse.reserve(reservation)


def _retrying(job: Job, call: Call) -> AsyncRetrying:
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
        job.writer.begin(describe_failure(job, call, failure, call.bill))
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


def _stop_after(most: int, call: Call) -> Callable[[RetryCallState], bool]:
    """Stop after so many attempts; what an earlier run has tried in vain is asked once a run."""

    def stop(state: RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        is_its_fault = (
            isinstance(error, CallFailed)
            and error.failure != "rate_limited"
            and not is_absent(error)
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
