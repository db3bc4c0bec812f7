"""Submitting: what is pending goes to the provider in files, each written down before and after.

submit_pending(round, plan)  # → rows in batches, batch_requests and batch_states, files uploaded
"""

import tempfile
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import IO

from tasks.errors import ModelServerError
from tasks.identity import content_id
from tasks.lake.place import local_folder
from tasks.llm.batch.api import Intent, create, upload
from tasks.llm.batch.folding import BatchJob
from tasks.llm.batch.lines import Member, input_line
from tasks.llm.batch.records import BatchRecord, load_histories, record_intent, record_state
from tasks.llm.batch.round import Round, call, check, claim, enter_state, forget
from tasks.llm.failures import CallFailed
from tasks.llm.loop import run_on_loop
from tasks.llm.money import Amount, Bill, Purse, add_amounts, reserve_for
from tasks.llm.request import Request, identify, size_of

Plan = Callable[[], Iterable[Request]]


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


def submit_pending(work: Round, plan: Plan) -> None:
    """Submit what is pending, in files as large as may be."""
    work.left = work.held = work.short = False
    job, settings = work.job, work.job.endpoint.settings
    histories = load_histories(job.store, job.role, job.prompt_ids)
    seen: set[bytes] = set()
    with ExitStack() as opened:
        group = _new_group(job, opened)
        for request in plan():
            keys = identify(job.endpoint, request)
            name = bytes.fromhex(keys.response_id)
            if keys.response_id in work.given_up or name in seen:
                continue
            seen.add(name)
            history = histories.get(keys.response_id)
            bill, spoilt = (history.bill, history.spoilt) if history else (Bill(), ())
            line = input_line(job.endpoint, request, keys, spoilt)
            reserved = reserve_for(settings, size_of(request, spoilt))
            member = Member(request, keys, 0, history.submission if history else 0, bill, reserved)
            if group.members and (
                len(group.members) >= work.most or group.size + len(line) > settings.batch.max_bytes
            ):
                _send(work, group)
                group = _new_group(job, opened)
                check(work)
                if work.cramped:
                    work.left = work.held = True  # The next one when this one was accepted.
                    return
            if not job.purse.fits(add_amounts(group.reserved, reserved)):
                work.left = work.held = work.short = True
                break
            group.add(member, line)
        if group.members:
            _send(work, group)


def _new_group(job: BatchJob, opened: ExitStack) -> _Group:
    folder = local_folder(job.store.settings)
    return _Group(opened.enter_context(tempfile.TemporaryFile(dir=folder)))


def _send(work: Round, group: _Group) -> None:
    """Submit one batch: write down the intent, upload, make it, write that down."""
    job = work.job
    if not _reserve(job.purse, group.reserved):
        work.left = work.short = True  # Somebody else was faster; it is planned again.
        return
    now = datetime.now(UTC)
    named = [[member.keys.response_id, member.submission] for member in group.members]
    # With its moment: what was cut short before its requests were written down is given up under
    # its own name, not under that of the batch that asks for the same again.
    batch_id = content_id("batch", job.endpoint.server, now.isoformat(), named)
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
    claim(work, batch_id)
    work.batches[batch_id] = record
    work.told[batch_id] = 0
    work.sent.add(batch_id)
    record_intent(job.store, job.run_id, record, group.members, group.size)
    try:
        file_id = call(work, upload(work.client, job.endpoint, f"{batch_id}.jsonl", group.content))
        record_state(job.store, job.run_id, batch_id, "uploaded", input_file_id=file_id)
        record = work.batches[batch_id] = replace(record, input_file_id=file_id, state="uploaded")
        intent = Intent(batch_id, file_id, job.role, record.created_at.timestamp())
        remote = call(work, create(work.client, job.endpoint, intent))
    except (CallFailed, ModelServerError) as error:
        raise _explain_unsent(work, record, error) from error
    finally:
        group.content.close()  # Before the next one is gathered: they may be large.
    enter_state(work, record, remote)


def _explain_unsent(
    work: Round, record: BatchRecord, error: CallFailed | ModelServerError
) -> ModelServerError:
    """Give a batch up unless it may have been made after all, and return what stops the run."""
    may_be_made = (
        record.input_file_id is not None
        and isinstance(error, CallFailed)
        and error.failure in ("retryable", "rate_limited")
    )
    if not may_be_made:
        forget(work, record, f"it was not submitted: {error}")
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
