"""Batches as OpenAI's API has them: files that come in, states they go through, files that go out.

validating → in_progress → finalizing → completed, or failed | expired | cancelled on the way

Files lie on disk without a name, so that they are gone with the process, however it ends; the
oldest files of batches that are over are forgotten when there are too many.
"""

import asyncio
import math
import os
import tempfile
import time
import uuid
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any

import orjson

from tasks.simulator.answer_key import AnswerKey
from tasks.simulator.batch_lines import (
    CANCELLED,
    EXPIRED,
    FileCheck,
    answer_line,
    batch_error,
    read_lines,
    unexecuted_line,
)
from tasks.simulator.chance import draw, fingerprint
from tasks.simulator.settings import Settings
from tasks.simulator.traffic import Traffic

OVER = ("failed", "completed", "expired", "cancelled")
_WINDOW_S = 24 * 3600
_PIECE = 1 << 20
_LINES_A_TURN = 25  # The server answers live requests in between.
_MOST_FILES = 1_000
_MOST_BYTES = 8 << 30


@dataclass(slots=True, eq=False)
class StoredFile:
    """One uploaded or written file; its content has no name on the disk."""

    file_id: str
    name: str
    purpose: str
    created_at: int
    content: IO[bytes] = field(default_factory=tempfile.TemporaryFile)
    size: int = 0

    def write(self, piece: bytes) -> None:
        """Append bytes."""
        os.write(self.content.fileno(), piece)
        self.size += len(piece)

    def read(self) -> Iterator[bytes]:
        """Yield the content in pieces; several may read at once."""
        place = 0
        while piece := os.pread(self.content.fileno(), _PIECE, place):
            place += len(piece)
            yield piece

    def describe(self) -> dict[str, Any]:
        """Return OpenAI's file object."""
        return {
            "id": self.file_id,
            "object": "file",
            "bytes": self.size,
            "created_at": self.created_at,
            "filename": self.name,
            "purpose": self.purpose,
            "status": "processed",
        }


@dataclass(slots=True, eq=False)
class Batch:
    """One batch; `moments` are the times of its states."""

    batch_id: str
    input_file: StoredFile
    metadata: dict[str, str] | None
    state: str = "validating"
    model: str | None = None
    enqueued_tokens: int = 0
    total: int = 0
    completed: int = 0
    failed: int = 0
    faults: list[dict[str, Any]] = field(default_factory=list)
    output_file: StoredFile | None = None
    error_file: StoredFile | None = None
    moments: dict[str, int] = field(default_factory=dict)

    def enter(self, state: str) -> None:
        """Go on to a state."""
        self.state = state
        self.moments[f"{state}_at"] = int(time.time())

    def describe(self) -> dict[str, Any]:
        """Return OpenAI's batch object."""
        moments = ("in_progress", "finalizing", "completed", "failed", "expired")
        created = self.moments["created_at"]
        return {
            "id": self.batch_id,
            "object": "batch",
            "endpoint": "/v1/chat/completions",
            "model": self.model,
            "errors": {"object": "list", "data": self.faults} if self.faults else None,
            "input_file_id": self.input_file.file_id,
            "completion_window": "24h",
            "status": self.state,
            "output_file_id": self.output_file.file_id if self.output_file else None,
            "error_file_id": self.error_file.file_id if self.error_file else None,
            "created_at": created,
            "expires_at": created + _WINDOW_S,
            **{f"{name}_at": self.moments.get(f"{name}_at") for name in moments},
            "cancelling_at": self.moments.get("cancelling_at"),
            "cancelled_at": self.moments.get("cancelled_at"),
            "request_counts": {
                "total": self.total,
                "completed": self.completed,
                "failed": self.failed,
            },
            "metadata": self.metadata,
        }


class Desk:
    """Takes files and batches, works on them, and counts what was submitted."""

    def __init__(self, settings: Settings, key: AnswerKey, traffic: Traffic) -> None:
        self._settings, self._key, self._traffic = settings, key, traffic
        self.files: dict[str, StoredFile] = {}
        self.batches: dict[str, Batch] = {}
        self._made: Counter[str] = Counter()
        self._submitted: Counter[str] = Counter()
        self._working: set[asyncio.Task[None]] = set()

    def new_file(self, name: str, purpose: str) -> StoredFile:
        """Return an empty file, which is not there for others until `keep` is called."""
        file_id = f"file-{uuid.uuid4().hex[:24]}"
        return StoredFile(file_id, name, purpose, int(time.time()))

    def keep(self, stored: StoredFile) -> None:
        """Put a file where it can be asked for; the oldest that nobody needs may have to go."""
        self.files[stored.file_id] = stored
        self._made["uploads"] += stored.purpose == "batch"
        needed = {id(stored)}
        for batch in self.batches.values():
            if batch.state not in OVER:
                needed |= {id(batch.input_file), id(batch.output_file), id(batch.error_file)}
        old = deque(file for file in self.files.values() if id(file) not in needed)
        size = sum(file.size for file in self.files.values())
        while old and (len(self.files) > _MOST_FILES or size > _MOST_BYTES):
            file = old.popleft()
            size -= file.size
            self.forget(file)

    def forget(self, stored: StoredFile) -> None:
        """Delete a file."""
        self.files.pop(stored.file_id, None)
        stored.content.close()

    def create(self, stored: StoredFile, metadata: dict[str, str] | None) -> Batch:
        """Start a batch on an uploaded file."""
        self._made["batches"] += 1
        batch_id = f"batch_{uuid.uuid4().hex[:24]}"  # No other server's, and no earlier one's.
        batch = Batch(batch_id, stored, metadata)
        batch.moments["created_at"] = int(time.time())
        self.batches[batch_id] = batch
        over = [each.batch_id for each in self.batches.values() if each.state in OVER]
        for old in over[: max(0, len(self.batches) - _MOST_FILES)]:
            del self.batches[old]
        task = asyncio.get_running_loop().create_task(self._work(batch))
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        return batch

    def cancel(self, batch: Batch) -> bool:
        """Ask a batch to end; say whether that is possible."""
        if batch.state not in ("validating", "in_progress"):
            return False
        batch.enter("cancelling")
        return True

    async def close(self) -> None:
        """Stop working and delete every file."""
        for task in self._working:
            task.cancel()
        await asyncio.gather(*self._working, return_exceptions=True)
        for stored in list(self.files.values()):
            self.forget(stored)

    def describe(self) -> dict[str, object]:
        """Return the counts as JSON values: requests by how often they were submitted."""
        repeats = Counter(self._submitted.values())
        return {
            "uploaded": self._made["uploads"],
            "created": self._made["batches"],
            "states": dict(sorted(Counter(each.state for each in self.batches.values()).items())),
            "submitted": self._submitted.total(),
            "submitted_per_request": {str(times): repeats[times] for times in sorted(repeats)},
        }

    async def _work(self, batch: Batch) -> None:
        """Take a batch through its states."""
        timing = self._settings.batches
        await asyncio.sleep(timing.validating_s)
        check = await self._check(batch)
        if batch.state == "cancelling":
            batch.enter("cancelled")
            return
        if batch.faults:
            batch.enter("failed")
            return
        batch.total, batch.enqueued_tokens = check.lines, check.prompt_tokens
        self._submitted.update(check.digests)
        batch.enter("in_progress")
        end = await self._answer(batch, self._last_line(batch, check))
        if end == "completed":
            batch.enter("finalizing")
        await asyncio.sleep(timing.finalizing_s)
        for stored in (batch.output_file, batch.error_file):
            if stored is not None:
                self.keep(stored)
        batch.enter(end)

    async def _check(self, batch: Batch) -> FileCheck:
        """Validate a batch's file; what is wrong with it is left in `faults`."""
        limits = self._settings.batches
        check = FileCheck(self._settings)
        if batch.input_file.size > limits.most_bytes:
            batch.faults = [
                batch_error(
                    "maximum_input_file_size_exceeded",
                    f"The batch input file is larger than the {limits.most_bytes} maximum.",
                )
            ]
            return check
        for number, line in enumerate(read_lines(batch.input_file.read())):
            check.add(line)
            if number % _LINES_A_TURN == 0:
                await asyncio.sleep(0)
        batch.model, batch.faults = check.model, check.faults or self._find_excess(check)
        return check

    def _find_excess(self, check: FileCheck) -> list[dict[str, Any]]:
        """Return the error of a file that is empty or exceeds a limit as a whole."""
        limits = self._settings.batches
        if check.lines == 0:
            return [batch_error("empty_file", "The batch input file is empty.")]
        if check.lines > limits.most_requests:
            message = f"A batch may hold at most {limits.most_requests} requests."
            return [batch_error("too_many_tasks", message)]
        enqueued = sum(
            each.enqueued_tokens
            for each in self.batches.values()
            if each.model == check.model and each.state not in OVER
        )
        most = limits.enqueued_tokens
        if most is not None and enqueued + check.prompt_tokens > most:
            message = (
                f"Enqueued token limit reached for {check.model}. Limit: {most:,} enqueued tokens. "
                "Please try again once some in_progress batches have been completed."
            )
            return [batch_error("token_limit_exceeded", message)]
        return []

    def _last_line(self, batch: Batch, check: FileCheck) -> int:
        """Return after how many lines the batch expires; all of them if it does not."""
        name = fingerprint("content", *check.digests).hex()
        self._made[name] += 1
        chance = draw(self._settings.seed, "expired", name, self._made[name])
        expires = chance < self._settings.batches.expired
        share = self._settings.batches.expired_after if expires else 1.0
        return math.floor(share * batch.total)

    async def _answer(self, batch: Batch, last: int) -> str:
        """Write the results of the first `last` lines; return the state that the batch ends in."""
        begun, length = time.monotonic(), self._settings.batches.in_progress_s
        end = "completed"
        lines = (line for line in read_lines(batch.input_file.read()) if line.strip())
        for number, line in enumerate(lines):
            if number % _LINES_A_TURN == 0 or length:
                due = begun + length * number / batch.total - time.monotonic()
                await asyncio.sleep(max(0.0, due))
            asked = orjson.loads(line)
            if batch.state == "cancelling":
                end, good, result = "cancelled", False, unexecuted_line(asked, *CANCELLED)
            elif number >= last:
                end, good, result = "expired", False, unexecuted_line(asked, *EXPIRED)
            else:
                good, result = answer_line(self._settings, self._key, self._traffic, asked)
            self._write(batch, good, result)
        await asyncio.sleep(max(0.0, begun + length - time.monotonic()))
        return "cancelled" if batch.state == "cancelling" else end

    def _write(self, batch: Batch, good: bool, result: bytes) -> None:
        if good:
            batch.output_file = batch.output_file or self.new_file("output.jsonl", "batch_output")
            batch.output_file.write(result + b"\n")
            batch.completed += 1
        else:
            batch.error_file = batch.error_file or self.new_file("errors.jsonl", "batch_output")
            batch.error_file.write(result + b"\n")
            batch.failed += 1
