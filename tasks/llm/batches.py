"""Batches: the calls of a stage through OpenAI's Batch API, at its price and at its pace.

complete_in_batches(job, plan) → Completion(completed=49_980, failed=20, cost_usd=5.21)

What is submitted is written down before and after, so a killed run finds its batches again; their
requests are not pending until their results are in.
"""

import logging
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import IO, Any, TypeVar

from openai import AsyncOpenAI

from tasks.errors import ModelServerError, RunInterrupted
from tasks.identity import content_id
from tasks.lake import local_folder
from tasks.llm.batch_api import ENDED, Intent, Remote, create, find, retrieve, upload
from tasks.llm.batch_folding import BatchJob, Folded, fold, give_up, may_be_lost
from tasks.llm.batch_lines import Member, input_line
from tasks.llm.batch_records import (
    BatchRecord,
    count_held,
    load_histories,
    load_unfinished,
    record_intent,
    record_state,
)
from tasks.llm.client import open_client
from tasks.llm.engine import Completion, run_on_loop, stoppable
from tasks.llm.failures import CallFailed
from tasks.llm.money import Amount, Bill, Purse, add_amounts, batch_prices, reserve_for
from tasks.llm.request import Endpoint, Request, identify

T = TypeVar("T")
Plan = Callable[[], Iterable[Request]]
_HOPELESS = 20  # Results without an answer before the first answer: it is the server.
_PATIENCE_S = 3600  # A batch goes on while its server cannot be reached; so long we look for it.
_TICK_S = 0.5
_LOGGER = logging.getLogger(__name__)


@dataclass(slots=True)
class _Group:
    """Requests that are gathered for the next file."""

    content: IO[bytes]
    members: list[Member] = field(default_factory=list)
    reserved: Amount = field(default_factory=Amount)
    size: int = 0

    def add(self, member: Member, line: bytes) -> None:
        self.content.write(line)
        self.members.append(replace(member, line=len(self.members) + 1))
        self.reserved = add_amounts(self.reserved, member.reserved)
        self.size += len(line)


@dataclass(slots=True)
class _Round:
    """What one `complete_in_batches` keeps in mind; all else is in the store.

    `left`: something may be pending. `held`: nothing is submitted until a batch has ended or been
    accepted. `short`: a request did not fit the budget. `cramped`: the provider has refused a batch
    for want of room, so they are submitted one by one, of at most `most` requests.
    """

    job: BatchJob
    client: AsyncOpenAI
    totals: Callable[[], Completion]
    stopped_by: Callable[[], BaseException | None]
    most: int
    batches: dict[str, BatchRecord] = field(default_factory=dict)
    told: dict[str, int] = field(default_factory=dict)
    seen: dict[str, float] = field(default_factory=dict)
    given_up: set[str] = field(default_factory=set)
    sent: set[str] = field(default_factory=set)
    refused: int = 0
    left: bool = True
    held: bool = False
    short: bool = False
    cramped: bool = False


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
        work = _Round(
            job,
            client,
            progress.totals,
            lambda: progress.stop,
            most=job.endpoint.settings.batch.max_requests,
        )
        with _claiming(work):
            _adopt(work)
            while True:
                for record in list(work.batches.values()):
                    _check(work)
                    if (folded := _look_at(work, record)) is not None:
                        progress.count(
                            folded.cost_usd, completed=folded.completed, failed=folded.failed
                        )
                        _learn(work, record, folded)
                if work.left and not (work.held and work.batches):
                    _submit_pending(work, plan)
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


def has_unfinished(job: BatchJob) -> bool:
    """Say whether a role has batches that are not over, whatever its mode is now."""
    return bool(load_unfinished(job.store, job.endpoint, job.role))


@contextmanager
def _connected(endpoint: Endpoint) -> Iterator[AsyncOpenAI]:
    """Open one client for all that is asked about batches, and close it on its loop."""
    client = open_client(endpoint)
    try:
        yield client
    finally:
        run_on_loop(client.close())


def _adopt(work: _Round) -> None:
    """Take over the batches of the role that nobody in this process looks after."""
    job = work.job
    found = {each.batch_id for each in load_unfinished(job.store, job.endpoint, job.role)}
    claimed = {batch_id for batch_id in found if _claim(work, batch_id)}
    if claimed:
        # Who had one until just now may have folded it in between.
        for record in load_unfinished(job.store, job.endpoint, job.role):
            if record.batch_id in claimed:
                work.batches[record.batch_id] = record
        for batch_id in claimed - set(work.batches):
            _unclaim(work, batch_id)


def _claim(work: _Round, batch_id: str) -> bool:
    """Make a batch ours alone in this process, unless it is somebody's."""
    key = (work.job.store.settings.catalog, batch_id)
    with _CLAIMS_LOCK:
        is_free = key not in _CLAIMS
        _CLAIMS.add(key)
    return is_free


def _unclaim(work: _Round, batch_id: str) -> None:
    with _CLAIMS_LOCK:
        _CLAIMS.discard((work.job.store.settings.catalog, batch_id))


@contextmanager
def _claiming(work: _Round) -> Iterator[None]:
    """Give back whatever batches are still ours at the end."""
    try:
        yield
    finally:
        for batch_id in work.batches:
            _unclaim(work, batch_id)


def _held_elsewhere(work: _Round) -> bool:
    """Say whether another part of this run waits for requests on our prompts."""
    job = work.job
    return bool(count_held(job.store, job.endpoint, job.role, job.prompt_ids))


def _look_at(work: _Round, record: BatchRecord) -> Folded | None:
    """Ask for a batch, record what is new, and fold it in if it has ended."""
    began = work.seen.setdefault(record.batch_id, time.monotonic())
    first = record.batch_id not in work.told
    try:
        remote = _ask_for(work, record)
        if remote is None:
            return None
        _tell(work, record.batch_id, remote.completed)
        if remote.status != record.state:
            record = _enter(work, record, remote)
            work.held = work.held and remote.status != "in_progress"
        if remote.status in ENDED:
            return _fold_in(work, record, remote, is_ours=not first)
    except CallFailed as failure:
        if time.monotonic() - began > _PATIENCE_S:
            raise ModelServerError(
                f"{record.endpoint.base_url} has not answered for an hour: {failure.message}. "
                "The batches go on there; run again to continue."
            ) from failure
        _LOGGER.warning("%s: %s; asking again", record.endpoint.base_url, failure.message)
    else:
        work.seen[record.batch_id] = time.monotonic()
    return None


def _fold_in(work: _Round, record: BatchRecord, remote: Remote, *, is_ours: bool) -> Folded:
    """Fold a batch that has ended; one that was cancelled under our eyes stops the run."""
    folded = fold(work.job, work.client, record, remote)
    _let_go(work, record, folded)
    if folded.fatal is not None:
        raise folded.fatal
    if remote.status == "cancelled" and is_ours:
        raise RunInterrupted(
            f"the batch {remote.provider_batch_id} was cancelled at the provider; the "
            f"{folded.completed:,} results it had are in the store. Run again to ask for the rest."
        )
    return folded


def _ask_for(work: _Round, record: BatchRecord) -> Remote | None:
    """Return a batch as it is; None if it is not there, or no longer."""
    if record.provider_batch_id is None:
        return _recover(work, record)
    remote = _call(work, retrieve(work.client, record.endpoint, record.provider_batch_id))
    if remote is not None:
        return remote
    if not may_be_lost(record.endpoint):
        raise ModelServerError(
            f"{record.endpoint.base_url} does not know the batch {record.provider_batch_id} that "
            "was submitted there: check that the key is of the same project. If the batch is gone, "
            "set `batch.when_lost: ask_again` for this model to pay for it again."
        )
    return _forget(work, record, "the server does not know it any more")


def _forget(work: _Round, record: BatchRecord, why: str) -> None:
    """Give up a batch that is not there: its requests are to be asked."""
    give_up(work.job, record, why)
    _let_go(work, record, None)


def _recover(work: _Round, record: BatchRecord) -> Remote | None:
    """Find out what became of a batch whose making was cut short.

    It is looked for by the metadata. What cannot have been asked for is given up; what may have
    been, and is not found a poll interval later, is made of the file that is there.
    """
    job, is_live = work.job, record.endpoint.settings.mode == "live"
    if record.input_file_id is None:
        return _forget(work, record, "the run ended before it was submitted")
    began = record.created_at.timestamp()
    intent = Intent(record.batch_id, record.input_file_id, record.role, began)
    remote = _call(work, find(work.client, record.endpoint, intent))
    age_s = (datetime.now(UTC) - record.changed_at).total_seconds()
    if remote is None and age_s < record.endpoint.settings.batch.poll_interval_s:
        return None
    if remote is None and is_live:
        return _forget(work, record, "the run ended before it was submitted; its model is live now")
    if remote is None:
        remote = _call(work, create(work.client, record.endpoint, intent, asked_before=True))
    _enter(work, record, remote)
    return remote


def _call(work: _Round, request: Coroutine[Any, Any, T]) -> T:
    """Make a request on the loop of all calls; a stopped run does not wait for its end."""
    return run_on_loop(request, lambda: _check(work))


def _enter(work: _Round, record: BatchRecord, remote: Remote) -> BatchRecord:
    """Write down the state that a batch is in at its server, and remember it."""
    record_state(work.job.store, work.job.run_id, record.batch_id, remote.status, remote)
    record = replace(record, state=remote.status, provider_batch_id=remote.provider_batch_id)
    work.batches[record.batch_id] = record
    return record


def _tell(work: _Round, batch_id: str, completed: int) -> None:
    """Show how far a batch is, as its server counts."""
    news = completed - work.told.get(batch_id, 0)
    work.told[batch_id] = completed
    work.job.tracker.advance(done=news, note=f"batches at the provider: {len(work.batches)}")


def _let_go(work: _Round, record: BatchRecord, folded: Folded | None) -> None:
    """Forget a batch that is over, and show what it came to instead of what its server counted."""
    work.batches.pop(record.batch_id, None)
    _unclaim(work, record.batch_id)
    is_settled = folded is not None and folded.again == 0 and record.batch_id in work.sent
    work.left, work.held = work.left or work.short or not is_settled, False
    tracker = work.job.tracker
    note = f"batches at the provider: {len(work.batches)}"
    tracker.advance(done=-work.told.pop(record.batch_id, 0), note=note)
    if folded is not None:
        tracker.advance(
            done=folded.completed + folded.failed,
            failed=folded.failed,
            cost_usd=folded.cost_usd,
        )


def _learn(work: _Round, record: BatchRecord, folded: Folded) -> None:
    """Draw the consequences of a batch for those that follow it."""
    work.given_up.update(folded.given_up)
    work.refused += folded.refused
    if work.totals().completed == 0 and work.refused >= _HOPELESS:
        raise ModelServerError(
            f"{record.endpoint.base_url} answered none of the first {work.refused} calls to "
            f"{record.endpoint.settings.model!r} in batches: {folded.refusal}"
        )
    if not folded.no_room:
        return
    work.cramped = True
    if work.batches:
        work.held = True  # Until another has ended, there is no more room than before.
    elif record.requests > 1:
        work.most = record.requests // 2
    else:
        raise ModelServerError(
            f"{record.endpoint.base_url} has no room for a batch of a single call to "
            f"{record.endpoint.settings.model!r}: the limit on enqueued tokens is in use elsewhere"
        )


def _submit_pending(work: _Round, plan: Plan) -> None:
    """Submit what is pending, in files as large as may be."""
    work.left = work.held = work.short = False
    job, settings = work.job, work.job.endpoint.settings
    histories = load_histories(job.store, job.role, job.prompt_ids)
    seen: set[bytes] = set()
    group = _new_group(job)
    for request in plan():
        keys = identify(job.endpoint, request)
        name = bytes.fromhex(keys.response_id)
        if keys.response_id in work.given_up or name in seen:
            continue
        seen.add(name)
        history = histories.get(keys.response_id)
        bill = history.bill if history else Bill()
        line = input_line(job.endpoint, request, keys, bill.malformed)
        characters = sum(len(content.encode()) for _, content in request.messages)
        reserved = reserve_for(settings, characters)
        member = Member(request, keys, 0, history.submission if history else 0, bill, reserved)
        if group.members and (
            len(group.members) >= work.most or group.size + len(line) > settings.batch.max_bytes
        ):
            _send(work, group)
            group = _new_group(job)
            _check(work)
            if work.cramped:
                work.left = work.held = True  # The next one when this one was accepted.
                return
        if not job.purse.fits(add_amounts(group.reserved, reserved)):
            work.left = work.held = work.short = True
            break
        group.add(member, line)
    if group.members:
        _send(work, group)


def _new_group(job: BatchJob) -> _Group:
    return _Group(tempfile.TemporaryFile(dir=local_folder(job.store.settings)))


def _send(work: _Round, group: _Group) -> None:
    """Submit one batch: write down the intent, upload, make it, write that down."""
    job = work.job
    if not _reserve(job.purse, group.reserved):
        work.left = work.short = True  # Somebody else was faster; it is planned again.
        return
    named = [[member.keys.response_id, member.submission] for member in group.members]
    batch_id = content_id("batch", job.endpoint.server, named)
    now = datetime.now(UTC)
    record = BatchRecord(
        batch_id=batch_id,
        endpoint=job.endpoint,
        role=job.role,
        requests=len(group.members),
        state="prepared",
        provider_batch_id=None,
        input_file_id=None,
        created_at=now,
        changed_at=now,
    )
    _claim(work, batch_id)
    work.batches[batch_id] = record
    work.told[batch_id] = 0
    work.sent.add(batch_id)
    record_intent(job.store, job.run_id, record, group.members, group.size)
    try:
        file_id = _call(work, upload(work.client, job.endpoint, f"{batch_id}.jsonl", group.content))
        record_state(job.store, job.run_id, batch_id, "uploaded", input_file_id=file_id)
        record = work.batches[batch_id] = replace(record, input_file_id=file_id, state="uploaded")
        intent = Intent(batch_id, file_id, job.role, record.created_at.timestamp())
        remote = _call(work, create(work.client, job.endpoint, intent))
    except (CallFailed, ModelServerError) as error:
        raise _explain_unsent(work, record, error) from error
    finally:
        group.content.close()
    _enter(work, record, remote)


def _explain_unsent(
    work: _Round, record: BatchRecord, error: CallFailed | ModelServerError
) -> ModelServerError:
    """Give a batch up unless it may have been made after all, and return what stops the run."""
    may_be_made = (
        record.input_file_id is not None
        and isinstance(error, CallFailed)
        and error.failure in ("retryable", "rate_limited")
    )
    if not may_be_made:
        _forget(work, record, f"it was not submitted: {error}")
    if isinstance(error, ModelServerError):
        return error
    return ModelServerError(
        f"{record.endpoint.base_url} did not take a batch of {record.requests:,} calls to "
        f"{record.endpoint.settings.model!r}: {error.message}"
    )


def _reserve(purse: Purse, amount: Amount) -> bool:
    """Set a whole batch's greatest cost aside, in the thread to which the purse belongs."""

    async def submit() -> bool:
        return purse.submit(amount)

    return run_on_loop(submit())


def _check(work: _Round) -> None:
    """Raise what stops the run, if anything does; batches at the provider go on."""
    stop = work.stopped_by()
    if stop is None:
        return
    calls = sum(record.requests for record in work.batches.values())
    if not calls or not isinstance(stop, RunInterrupted):
        raise stop
    raise RunInterrupted(
        f"stopped; {len(work.batches)} batch(es) with {calls:,} calls go on at "
        f"{work.job.endpoint.base_url}; run again to continue with their results"
    )


def _wait(work: _Round, tick: Callable[[Completion], None] | None) -> None:
    """Wait until it is time to ask again, showing where we are."""
    until = time.monotonic() + work.job.endpoint.settings.batch.poll_interval_s
    while (left := until - time.monotonic()) > 0:
        _check(work)
        if tick is not None:
            tick(work.totals().plus(Completion(sum(work.told.values()))))
        time.sleep(min(_TICK_S, left))


_CLAIMS: set[tuple[str, str]] = set()
_CLAIMS_LOCK = threading.Lock()
