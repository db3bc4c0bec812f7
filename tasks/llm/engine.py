"""The engine: takes requests to their outcomes, and makes every outcome durable.

    complete(store, endpoint, requests, run_id=…, purse=…, advance=…)
    → Completion(completed=7_990, failed=10, cost_usd=1.84)

Requests are pulled from a feed by a fixed number of workers, so memory does not grow with what is
pending and no call waits for another. A call that waits to be tried again holds no slot.
"""

import asyncio
from collections.abc import Callable, Iterable

from tasks import metrics
from tasks.llm.attempts import attempt
from tasks.llm.client import open_client
from tasks.llm.failures import MOST_MALFORMED, CallFailed
from tasks.llm.feed import Feed
from tasks.llm.giving_up import stop_if_all_are_rejected, stop_if_hopeless
from tasks.llm.job import Advance, Call, Job
from tasks.llm.limiter import NotAdmitted, limiter_of
from tasks.llm.loop import run_on_loop
from tasks.llm.money import Purse
from tasks.llm.outcomes import (
    hold_back,
    measure,
    not_tried_again,
    record_failure,
    record_rejected,
)
from tasks.llm.pending import has_answered
from tasks.llm.request import Endpoint, Request, ask_above, ceiling_of, identify
from tasks.llm.rows import response_row
from tasks.llm.under_way import Completion, is_held, stoppable
from tasks.llm.writer import Writer
from tasks.store import Store

_WORKERS_PER_SLOT = 2  # The surplus waits out its backoff while the others keep the slots full.


def _ignore(*_: object) -> None:
    """Tell nobody."""


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
        job = Job(
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
        record_rejected(job, are_at_fault=progress.stop is None and is_alive)
        tick(progress.totals())
    if progress.stop is not None:
        raise progress.stop
    return progress.totals()


async def _work_all(job: Job) -> None:
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


async def _turn_away_when_stopped(job: Job) -> None:
    """Let nobody wait for a slot, a minute's end or a server once the run was stopped."""
    await job.progress.stopped.wait()
    while True:
        job.limiter.turn_away(job)
        await asyncio.sleep(0.05)


async def _work(job: Job) -> None:
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


async def _complete_one(job: Job, request: Request) -> Request | None:
    """Have one outcome of a request; return it under a higher ceiling if it was cut off."""
    call = Call(request, identify(job.endpoint, request))
    bill = call.bill
    try:
        answer = await attempt(job, call)
    except CallFailed as failure:
        if _is_cut_short(job, failure, call):
            failure = not_tried_again(job.progress.stop)
        job.progress.failed_anew += not request.has_failed
        if failure.failure == "rejected":
            hold_back(job, call, failure)
            stop_if_all_are_rejected(job)
        else:
            record_failure(job, call, failure)
        stop_if_hopeless(job, failure)
        return None
    except BaseException as error:
        # It was stopped between two attempts or in one: those that were made may have been paid
        # for, and a budget that is continued has to know of them.
        if bill.attempts:
            record_failure(job, call, not_tried_again(error))
        if isinstance(error, NotAdmitted):
            return None
        raise
    row = response_row(job.endpoint, request, call.keys, answer, bill)
    job.writer.put("responses", row, call.call_id)
    record_rejected(job, are_at_fault=True)
    ceiling = ceiling_of(job.endpoint, request)
    raised = None
    if answer.finish_reason == "length" and ceiling is not None:
        raised = ask_above(job.endpoint, request, ceiling)
    measure(job, request, "completed" if raised is None else "raised", bill, answer.latency_s)
    over = int(raised is None)
    job.progress.count(bill.cost_usd, completed=over)
    job.advance(over, 0, bill.cost_usd)
    return raised


def _is_cut_short(job: Job, failure: CallFailed, call: Call) -> bool:
    """Say whether only the end of the run kept a model from being told what was malformed."""
    return (
        job.progress.stop is not None
        and failure.failure == "malformed"
        and len(call.spoilt) < MOST_MALFORMED
        and call.bill.attempts < job.endpoint.settings.max_attempts
    )


def _tell(job: Job, tick: Callable[[Completion], None]) -> None:
    """Tell the caller and whoever collects metrics how far it is."""
    model = job.endpoint.settings.model
    metrics.LIMIT.labels(model).set(job.limiter.slots)
    tick(job.progress.totals("paused in Prefect" if is_held() else job.limiter.describe()))
