"""Folding: the results of a batch that has ended become responses, failures and further attempts.

fold(job, client, record, Remote(status="expired", output_file_id="file-…", …))
→ Folded(completed=30, failed=0, again=10, cost_usd=0.0021)

Folding may be cut short and begun again: what is recorded already is not recorded twice.
"""

import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import IO, Any

from openai import AsyncOpenAI

from tasks import metrics
from tasks.errors import ModelServerError
from tasks.lake.place import local_folder
from tasks.llm.batch.api import download
from tasks.llm.batch.lines import ROOM, Member, find_faulty, read_lines, read_result
from tasks.llm.batch.objects import UNREADABLE, Remote
from tasks.llm.batch.records import BatchRecord, load_members, record_retries, record_state
from tasks.llm.client import Answer
from tasks.llm.failures import MOST_MALFORMED, CallFailed
from tasks.llm.loop import run_on_loop
from tasks.llm.money import Amount, Bill, Purse, Usage, add_amounts
from tasks.llm.request import Endpoint
from tasks.llm.rows import failure_row, response_row
from tasks.llm.writer import Writer
from tasks.progress import Tracker
from tasks.recipe import Role
from tasks.store import Store


@dataclass(frozen=True, slots=True)
class BatchJob:
    """What one `draw` in batches works with; the endpoint's prices are those of a batch."""

    store: Store
    endpoint: Endpoint
    role: Role
    prompt_ids: Sequence[str]
    run_id: str
    purse: Purse
    tracker: Tracker


@dataclass(slots=True)
class Folded:
    """What a batch came to. `again` were not made or may yet succeed; `given_up` failed for now."""

    completed: int = 0
    failed: int = 0
    again: int = 0
    refused: int = 0  # Results in which the server did not answer, and what it said last.
    refusal: str | None = None
    cost_usd: float | None = 0.0
    no_room: bool = False
    given_up: list[str] = field(default_factory=list)
    fatal: ModelServerError | None = None

    def describe(self) -> str:
        """Say it in words, for the state's row."""
        said = f"{self.completed} responses, {self.failed} failures, {self.again} to be asked again"
        return f"{said}; {self.fatal}" if self.fatal else said


@dataclass(slots=True)
class _Fold:
    """A folding under way."""

    job: BatchJob
    record: BatchRecord
    members: dict[str, Member]
    writer: Writer | None = None
    unread: int = 0  # Lines of which nobody can say what they are the result of.
    result: Folded = field(default_factory=Folded)
    retried: list[tuple[Member, CallFailed | None]] = field(default_factory=list)
    reserved: Amount = field(default_factory=Amount)
    actual: Amount = field(default_factory=Amount)


def fold(
    job: BatchJob,
    client: AsyncOpenAI,
    record: BatchRecord,
    remote: Remote,
    check: Callable[[], None],
) -> Folded:
    """Record what became of every request of a batch that has ended, then that it is over.

    `check` is called about once a second while results are downloaded; what it raises ends that.
    Raises StoreError if outcomes cannot be kept, ModelServerError if the results are not there.
    """
    members = load_members(job.store, record.batch_id)
    # All of the results are here before the first is recorded: a download may fail and be repeated.
    with (
        _downloaded(job, client, record, remote, check) as files,
        Writer(job.store, job.run_id) as writer,
    ):
        by_id = {member.keys.response_id: member for member in members}
        work = _Fold(job, record, by_id, writer)
        names = set(by_id)
        _leave_out_known(work)
        for file in files:
            for custom_id, result, line in read_lines(file):
                if custom_id is None or custom_id not in names:
                    work.unread += 1
                elif (member := by_id.pop(custom_id, None)) is not None:
                    _take_result(work, member, remote, result, line)
        named = sum(each is not None for each in (remote.output_file_id, remote.error_file_id))
        _take_rest(work, members, remote, is_lost=len(files) < named)
    record_retries(job.store, job.run_id, record, work.retried)
    detail = work.result.describe()
    record_state(job.store, job.run_id, record.batch_id, "folded", remote, detail=detail)
    settle(job.purse, work.reserved, work.actual)
    return work.result


def give_up(job: BatchJob, record: BatchRecord, why: str) -> None:
    """Record that a batch was never made: its requests are to be asked."""
    reserved = Amount()
    for member in load_members(job.store, record.batch_id):
        reserved = add_amounts(reserved, member.reserved)
    record_state(job.store, job.run_id, record.batch_id, "abandoned", detail=why)
    settle(job.purse, reserved, Amount())


def give_up_lost(job: BatchJob, record: BatchRecord, why: str) -> None:
    """Record that a batch was made and is lost: its requests are to be asked again.

    Nobody can say what of it was paid for, so a budget counts the most that it can have been.
    """
    members = load_members(job.store, record.batch_id)
    work = _Fold(job, record, {member.keys.response_id: member for member in members})
    _leave_out_known(work)
    for member in work.members.values():
        failure = CallFailed("retryable", why, usage=Usage())
        _settle(work, member, _add_attempt(work, member, failure))
        work.retried.append((member, failure))
    record_retries(job.store, job.run_id, record, work.retried)
    record_state(job.store, job.run_id, record.batch_id, "abandoned", detail=why)
    settle(job.purse, work.reserved, work.actual)


def settle(purse: Purse, reserved: Amount, actual: Amount) -> None:
    """Book what a batch did cost, in the thread to which the purse belongs."""

    async def book() -> None:
        purse.settle_submitted(reserved, actual)

    run_on_loop(book())


def _leave_out_known(work: _Fold) -> None:
    """Take out what an earlier, interrupted folding has recorded; the purse knows its cost."""
    for name, member in list(work.members.items()):
        if member.is_known:
            del work.members[name]
            _settle(work, member, Amount())
            _close(work, member)


@contextmanager
def _downloaded(
    job: BatchJob,
    client: AsyncOpenAI,
    record: BatchRecord,
    remote: Remote,
    check: Callable[[], None],
) -> Iterator[list[IO[bytes]]]:
    """Fetch the result files into files without a name, gone with the block or the process.

    Raises CallFailed, or ModelServerError if the server has them no more.
    """
    with ExitStack() as stack:
        files: list[IO[bytes]] = []
        for file_id in filter(None, (remote.output_file_id, remote.error_file_id)):
            file = stack.enter_context(tempfile.TemporaryFile(dir=local_folder(job.store.settings)))
            if file_id != UNREADABLE and run_on_loop(
                download(client, record.endpoint, file_id, file), check
            ):
                file.seek(0)
                files.append(file)
            elif not may_be_lost(record.endpoint):
                raise ModelServerError(
                    f"{record.endpoint.base_url} does not have the results of batch "
                    f"{record.provider_batch_id} any more (file {file_id}). "
                    "Set `batch.when_lost: ask_again` for this model to pay for them again."
                )
        yield files


def _take_result(
    work: _Fold, member: Member, remote: Remote, result: Mapping[str, Any], line: bytes
) -> None:
    try:
        answer = read_result(result, member.request, work.record.endpoint, line)
    except CallFailed as failure:
        if result.get("response") is not None:
            work.result.refused += 1
            work.result.refusal = failure.message
        if _is_cancelled(result, remote):
            _take_unexecuted(work, member)
        else:
            _take_failure(work, member, failure)
    except ModelServerError as error:
        work.result.fatal = work.result.fatal or error
        _take_unexecuted(work, member)
    else:
        _take_answer(work, member, answer)


def _take_rest(work: _Fold, members: Sequence[Member], remote: Remote, *, is_lost: bool) -> None:
    """Take the requests that no file has a result of; `is_lost` says that a file is not there."""
    rest = list(work.members.values())
    work.members.clear()
    faulty: dict[str, str] = {}
    if remote.status == "failed":
        work.result.no_room = any(fault.code == ROOM for fault in remote.faults)
        try:
            faulty = find_faulty(remote.faults, members, work.record.endpoint)
        except ModelServerError as error:
            work.result.fatal = work.result.fatal or error
    for member in rest:
        if reason := faulty.get(member.keys.response_id):
            _take_failure(work, member, CallFailed("rejected", reason))
        elif failure := _explain_missing(work, remote, is_lost=is_lost):
            _take_failure(work, member, failure)
        else:
            _take_unexecuted(work, member)


def _explain_missing(work: _Fold, remote: Remote, *, is_lost: bool) -> CallFailed | None:
    """Return what became of a request without a result; None if it was not made.

    What was made, or may have been, may be paid for: a budget counts the most that it can be.
    """
    if is_lost:
        why = "the server does not have the results of its batch any more"
        is_free = work.record.endpoint.simulated  # A simulator forgets all with its process.
        return CallFailed("retryable", why, usage=None if is_free else Usage())
    if work.unread:
        why = (
            f"the batch has no result for this request; lines that nobody can read: {work.unread:,}"
        )
        return CallFailed("retryable", why, unanswered=True)
    if remote.status == "completed":
        why = "the batch has no result for this request"
        return CallFailed("retryable", why, unanswered=True)
    if remote.status == "expired":
        return CallFailed("retryable", "the batch expired before this request was made")
    return None


def _take_answer(work: _Fold, member: Member, answer: Answer) -> None:
    endpoint, bill = work.record.endpoint, member.bill
    _close(work, member)
    _settle(work, member, bill.add(answer.usage, endpoint.settings.prices, member.reserved))
    _put(work, "responses", response_row(endpoint, member.request, member.keys, answer, bill))
    work.result.completed += 1
    _count(work, member, "completed")
    _add_cost(work.result, bill)


def _take_failure(work: _Fold, member: Member, failure: CallFailed) -> None:
    """Have a failed attempt made again, or record the failure if that cannot help any more."""
    endpoint, bill = work.record.endpoint, member.bill
    has_earlier = bill.attempts > 0
    _settle(work, member, _add_attempt(work, member, failure))
    bill.malformed += failure.failure == "malformed"
    metrics.FAILURES.labels(member.request.role, endpoint.settings.model, failure.failure).inc()
    if (
        failure.can_be_retried
        and bill.attempts < work.job.endpoint.settings.max_attempts
        and bill.malformed < MOST_MALFORMED
    ):
        work.retried.append((member, failure))
        work.result.again += 1
        return
    if has_earlier:
        work.retried.append((member, None))
    call_id = uuid.uuid4().hex
    row = failure_row(endpoint, member.request, member.keys, failure, bill, call_id)
    _put(work, "failures", row)
    work.result.failed += 1
    work.result.given_up.append(member.keys.response_id)
    _count(work, member, "failed")
    _add_cost(work.result, bill)


def _add_attempt(work: _Fold, member: Member, failure: CallFailed) -> Amount:
    """Add a failed attempt to a request's bill; return what a budget counts for it."""
    prices = work.record.endpoint.settings.prices
    if failure.unanswered:
        return member.bill.add_unanswered(prices, member.reserved)
    return member.bill.add(failure.usage, prices, member.reserved)


def _count(work: _Fold, member: Member, outcome: str) -> None:
    """Count a request that is over; how long a batch took says nothing of the model."""
    model = work.record.endpoint.settings.model
    metrics.count_call(member.request.role, model, outcome, member.bill)


def _take_unexecuted(work: _Fold, member: Member) -> None:
    """Leave a request that was not made as it was before this batch."""
    _settle(work, member, Amount())
    work.result.again += 1


def _close(work: _Fold, member: Member) -> None:
    """Let the outcome of a request stand for its earlier attempts as well."""
    if member.bill.attempts:
        work.retried.append((member, None))


def _settle(work: _Fold, member: Member, actual: Amount) -> None:
    work.reserved = add_amounts(work.reserved, member.reserved)
    work.actual = add_amounts(work.actual, actual)


def _put(work: _Fold, table: str, row: Mapping[str, Any]) -> None:
    assert work.writer is not None
    while work.writer.is_full() and work.writer.error is None:
        time.sleep(0.02)
    work.writer.put(table, row)


def _add_cost(result: Folded, bill: Bill) -> None:
    if bill.cost_usd is None or result.cost_usd is None:
        result.cost_usd = None
    else:
        result.cost_usd += bill.cost_usd


def _is_cancelled(result: Mapping[str, Any], remote: Remote) -> bool:
    """Say whether a request was not made as its batch was cancelled, and is no attempt.

    A line is not believed against its batch: what is not counted is asked again without end.
    """
    error = result.get("error")
    return (
        remote.status == "cancelled"
        and not isinstance(result.get("response"), Mapping)
        and isinstance(error, Mapping)
        and error.get("code") == "batch_cancelled"
    )


def may_be_lost(endpoint: Endpoint) -> bool:
    """Say whether a batch that its server forgot is asked again: a simulator forgets all."""
    return endpoint.simulated or endpoint.settings.batch.when_lost == "ask_again"
