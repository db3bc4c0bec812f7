"""Batches: the calls of a stage through OpenAI's Batch API, at its price and at its pace.

complete_in_batches(job, plan) → Completion(completed=49_980, failed=20, cost_usd=5.21)

What is submitted is written down before and after, so a killed run finds its batches again; their
requests are not pending until their results are in.
"""

import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from openai import AsyncOpenAI

from tasks.errors import ModelServerError, RunInterrupted
from tasks.llm.batch.api import Intent, create, find, retrieve
from tasks.llm.batch.folding import BatchJob, Folded, fold, may_be_lost
from tasks.llm.batch.objects import ENDED, ODD, Remote
from tasks.llm.batch.records import BatchRecord, count_held, load_unfinished
from tasks.llm.batch.round import (
    Round,
    call,
    check,
    claim,
    enter_state,
    forget,
    let_go,
    tell_count,
    unclaim,
)
from tasks.llm.batch.submitting import Plan, submit_pending
from tasks.llm.client import open_client
from tasks.llm.failures import HOPELESS, CallFailed
from tasks.llm.loop import run_on_loop
from tasks.llm.money import batch_prices
from tasks.llm.request import Endpoint
from tasks.llm.under_way import Completion, stoppable
from tasks.recipe import Role
from tasks.store import Store

_PATIENCE_S = 3600  # A batch goes on while its server cannot be reached; so long we look for it.
_TICK_S = 0.5
_WINDOW = re.compile(r"\s*(\d{1,6})\s*([smhdw])\w*\s*")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_USUAL_WINDOW = timedelta(hours=24)
_LOGGER = logging.getLogger(__name__)


def at_batch_prices(endpoint: Endpoint) -> Endpoint:
    """Return the endpoint with the prices that count in its mode."""
    settings = endpoint.settings
    if settings.mode == "live":
        return endpoint
    return replace(
        endpoint, settings=settings.model_copy(update={"prices": batch_prices(settings)})
    )


def complete_in_batches(
    job: BatchJob, plan: Plan, tick: Callable[[Completion], None] | None = None
) -> Completion:
    """Submit what `plan` yields and return the totals when all outcomes are in the store.

    `plan` is asked anew whenever a batch has ended, and yields what has no outcome and is in no
    batch. Batches of earlier runs are waited for as well. Raises what `engine.complete` raises;
    what is at the provider goes on there and is found again by the next run.
    """
    with stoppable() as progress, _connected(job.endpoint) as client:
        work = Round(
            job,
            client,
            progress.totals,
            lambda: progress.stop,
            most=job.endpoint.settings.batch.max_requests,
        )
        with _claiming(work):
            _adopt(work)
            while True:
                alone = len(work.batches) == 1
                for record in list(work.batches.values()):
                    check(work)
                    if (folded := _look_at(work, record)) is not None:
                        progress.count(
                            folded.cost_usd, completed=folded.completed, failed=folded.failed
                        )
                        _learn(work, record, folded, alone=alone)
                if work.left and not (work.held and work.batches):
                    submit_pending(work, plan)
                if not work.batches:
                    if _held_elsewhere(work):
                        work.left = True  # What comes back of it without an outcome is ours.
                        _adopt(work)
                    elif not work.left:
                        return progress.totals()
                    elif work.short and job.purse.is_idle():
                        raise job.purse.reached()
                _wait(work, tick)


def count_wanted(job: BatchJob, plan: Plan) -> int:
    """Return how many requests a draw is about: those to be submitted and those that are."""
    held = count_held(job.store, job.endpoint, job.role, job.prompt_ids)
    return sum(1 for _ in plan()) + sum(held.values())


def has_unfinished(store: Store, endpoint: Endpoint, role: Role) -> bool:
    """Say whether a role has batches that are not over, whatever its mode is now."""
    return bool(load_unfinished(store, endpoint, role))


@contextmanager
def _connected(endpoint: Endpoint) -> Iterator[AsyncOpenAI]:
    """Open one client for all that is asked about batches, and close it on its loop."""
    client = open_client(endpoint)
    try:
        yield client
    finally:
        run_on_loop(client.close())


def _adopt(work: Round) -> None:
    """Take over the batches of the role that nobody in this process looks after."""
    job = work.job
    found = {each.batch_id for each in load_unfinished(job.store, job.endpoint, job.role)}
    claimed = {batch_id for batch_id in found if claim(work, batch_id)}
    if claimed:
        # Who had one until just now may have folded it in between.
        for record in load_unfinished(job.store, job.endpoint, job.role):
            if record.batch_id in claimed:
                work.batches[record.batch_id] = record
        for batch_id in claimed - set(work.batches):
            unclaim(work, batch_id)


@contextmanager
def _claiming(work: Round) -> Iterator[None]:
    """Give back whatever batches are still ours at the end."""
    try:
        yield
    finally:
        for batch_id in work.batches:
            unclaim(work, batch_id)


def _held_elsewhere(work: Round) -> bool:
    """Say whether another part of this run waits for requests on our prompts."""
    job = work.job
    return bool(count_held(job.store, job.endpoint, job.role, job.prompt_ids))


def _look_at(work: Round, record: BatchRecord) -> Folded | None:
    """Ask for a batch, record what is new, and fold it in if it has ended."""
    began = work.seen.setdefault(record.batch_id, time.monotonic())
    first = record.batch_id not in work.told
    try:
        remote = _ask_for(work, record)
        if remote is None:
            return None
        tell_count(work, record.batch_id, remote.completed)
        if remote.status != record.state:
            record = enter_state(work, record, remote)
            work.held = work.held and remote.status != "in_progress"
        if remote.status in ENDED:
            return _fold_in(work, record, remote, is_ours=not first)
        _bear_with(work, record, remote.status)
    except CallFailed as failure:
        if time.monotonic() - began > _PATIENCE_S:
            raise ModelServerError(
                f"{record.endpoint.base_url} has not answered for {_PATIENCE_S / 3600:g} h: "
                f"{failure.message}. The batches go on there; run again to continue."
            ) from failure
        _LOGGER.warning("%s: %s; asking again", record.endpoint.base_url, failure.message)
    else:
        work.seen[record.batch_id] = time.monotonic()
    return None


def _bear_with(work: Round, record: BatchRecord, status: str) -> None:
    """Wait for a batch that has not ended, but not for ever, and say once if that is odd.

    An unknown status may mean that the batch goes on or that it has ended: nobody but a person can
    find out. A server that is merely late with one has its window a second time.
    """
    declared = record.endpoint.settings.batch.completion_window
    window = _read_window(declared)
    late = datetime.now(UTC) - record.created_at - window - window / 24  # An hour's grace in a day.
    if status.startswith(ODD):
        said = f"{status.removeprefix(ODD)!r}, which the Batch API does not know"
        limit, patience = f"its window of {declared}", timedelta(0)
    else:
        said = f"{status!r} after its window of {declared}"
        limit, patience = f"twice its window of {declared}", window
    server, batch = record.endpoint.base_url, record.provider_batch_id
    if record.batch_id not in work.doubted and (late > timedelta(0) or not patience):
        work.doubted.add(record.batch_id)
        until = f"asking again until {limit} is over"
        _LOGGER.warning("%s says that batch %s is %s; %s", server, batch, said, until)
    if late < patience:
        return
    if not may_be_lost(record.endpoint):
        raise ModelServerError(
            f"{server} still says that batch {batch} is {said}, and {limit} is over. Look there "
            "what became of it; once it is cancelled there, run again to have its results. To give "
            "it up, set `batch.when_lost: ask_again` for this model: its calls are paid for again."
        )
    forget(work, record, f"its batch was {said}", was_made=not record.endpoint.simulated)


def _read_window(text: str) -> timedelta:
    """Return how long a batch may take; servers have windows of their own, as `24h` or `7d`."""
    found = _WINDOW.fullmatch(text)
    return timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else _USUAL_WINDOW


def _fold_in(work: Round, record: BatchRecord, remote: Remote, *, is_ours: bool) -> Folded:
    """Fold a batch that has ended; one that was cancelled under our eyes stops the run."""
    folded = fold(work.job, work.client, record, remote, lambda: check(work))
    let_go(work, record, folded)
    if folded.fatal is not None:
        raise folded.fatal
    if remote.status == "cancelled" and is_ours:
        raise RunInterrupted(
            f"the batch {remote.provider_batch_id} was cancelled at the provider; the "
            f"{folded.completed:,} results it had are in the store. Run again to ask for the rest."
        )
    return folded


def _ask_for(work: Round, record: BatchRecord) -> Remote | None:
    """Return a batch as it is; None if it is not there, or no longer."""
    if record.provider_batch_id is None:
        return _recover(work, record)
    remote = call(work, retrieve(work.client, record.endpoint, record.provider_batch_id))
    if remote is not None:
        return remote
    if not may_be_lost(record.endpoint):
        raise ModelServerError(
            f"{record.endpoint.base_url} does not know the batch {record.provider_batch_id} that "
            "was submitted there: check that the key is of the same project. If the batch is gone, "
            "set `batch.when_lost: ask_again` for this model to pay for it again."
        )
    why = "the server does not know its batch any more"
    forget(work, record, why, was_made=not record.endpoint.simulated)  # A simulator is free.
    return None


def _recover(work: Round, record: BatchRecord) -> Remote | None:
    """Find out what became of a batch whose making was cut short.

    It is looked for by the metadata. What cannot have been asked for is given up; what may have
    been, and is not found a poll interval later, is made of the file that is there.
    """
    is_live = record.endpoint.settings.mode == "live"
    if record.input_file_id is None:
        forget(work, record, "the run ended before it was submitted")
        return None
    began = record.created_at.timestamp()
    intent = Intent(record.batch_id, record.input_file_id, record.role, began)
    remote = call(work, find(work.client, record.endpoint, intent))
    age_s = (datetime.now(UTC) - record.changed_at).total_seconds()
    if remote is None and age_s < record.endpoint.settings.batch.poll_interval_s:
        return None
    if remote is None and is_live:
        forget(work, record, "the run ended before it was submitted; its model is live now")
        return None
    if remote is None:
        remote = call(work, create(work.client, record.endpoint, intent, asked_before=True))
    enter_state(work, record, remote)
    return remote


def _learn(work: Round, record: BatchRecord, folded: Folded, *, alone: bool) -> None:
    """Draw the consequences of a batch for those that follow it.

    `alone`: no other of ours was under way when it was looked at.
    """
    work.given_up.update(folded.given_up)
    work.refused += folded.refused
    if work.totals().completed == 0 and work.refused >= HOPELESS:
        raise ModelServerError(
            f"{record.endpoint.base_url} answered none of the first {work.refused} calls to "
            f"{record.endpoint.settings.model!r} in batches: {folded.refusal}"
        )
    if not folded.no_room:
        return
    work.cramped = True
    if not alone:
        work.held = True  # The room was another's: it will do when that one has ended, or has.
    elif record.requests > 1:
        work.most = record.requests // 2
    else:
        raise ModelServerError(
            f"{record.endpoint.base_url} has no room for a batch of a single call to "
            f"{record.endpoint.settings.model!r}: the limit on enqueued tokens is in use elsewhere"
        )


def _wait(work: Round, tick: Callable[[Completion], None] | None) -> None:
    """Wait until it is time to ask again, showing where we are."""
    until = time.monotonic() + work.job.endpoint.settings.batch.poll_interval_s
    while (left := until - time.monotonic()) > 0:
        check(work)
        if tick is not None:
            tick(work.totals().plus(Completion(sum(work.told.values()))))
        time.sleep(min(_TICK_S, left))
