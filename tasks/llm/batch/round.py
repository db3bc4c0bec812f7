"""What one draw in batches keeps in mind of its batches while it waits for them.

A batch is looked after by one draw at a time, whichever thread of the process that is.
"""

import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from openai import AsyncOpenAI

from tasks.errors import RunInterrupted
from tasks.llm.batch.folding import BatchJob, Folded, give_up, give_up_lost
from tasks.llm.batch.objects import Remote
from tasks.llm.batch.records import BatchRecord, record_state
from tasks.llm.loop import run_on_loop
from tasks.llm.under_way import Completion

T = TypeVar("T")


@dataclass(slots=True)
class Round:
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
    doubted: set[str] = field(default_factory=set)
    sent: set[str] = field(default_factory=set)
    refused: int = 0
    left: bool = True
    held: bool = False
    short: bool = False
    cramped: bool = False


def claim(work: Round, batch_id: str) -> bool:
    """Make a batch ours alone in this process, unless it is somebody's."""
    key = (work.job.store.settings.catalog, batch_id)
    with _CLAIMS_LOCK:
        is_free = key not in _CLAIMS
        _CLAIMS.add(key)
    return is_free


def unclaim(work: Round, batch_id: str) -> None:
    """Leave a batch to whoever wants it."""
    with _CLAIMS_LOCK:
        _CLAIMS.discard((work.job.store.settings.catalog, batch_id))


def describe_batches_under_way() -> str:
    """Say what a stopped run leaves at its providers; nothing if there is nothing."""
    count = len(_CLAIMS)  # Without the lock: a signal may have come while it was held.
    return (
        f"\n  batches that go on at the provider: {count}; run again to continue" if count else ""
    )


def check(work: Round) -> None:
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


def call(work: Round, request: Coroutine[Any, Any, T]) -> T:
    """Make a request on the loop of all calls; a stopped run does not wait for its end."""
    return run_on_loop(request, lambda: check(work))


def enter_state(work: Round, record: BatchRecord, remote: Remote) -> BatchRecord:
    """Write down the state that a batch is in at its server, and remember it."""
    record_state(work.job.store, work.job.run_id, record.batch_id, remote.status, remote)
    record = replace(record, state=remote.status, provider_batch_id=remote.provider_batch_id)
    work.batches[record.batch_id] = record
    return record


def tell_count(work: Round, batch_id: str, completed: int) -> None:
    """Show how far a batch is, as its server counts."""
    news = completed - work.told.get(batch_id, 0)
    work.told[batch_id] = completed
    work.job.tracker.advance(done=news, note=f"batches at the provider: {len(work.batches)}")


def let_go(work: Round, record: BatchRecord, folded: Folded | None) -> None:
    """Forget a batch that is over, and show what it came to instead of what its server counted."""
    work.batches.pop(record.batch_id, None)
    unclaim(work, record.batch_id)
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


def forget(work: Round, record: BatchRecord, why: str, *, was_made: bool = False) -> None:
    """Give up a batch that is not there, or not any more: its requests are to be asked."""
    if was_made:
        give_up_lost(work.job, record, why)
    else:
        give_up(work.job, record, why)
    let_go(work, record, None)


_CLAIMS: set[tuple[str, str]] = set()
_CLAIMS_LOCK = threading.Lock()
