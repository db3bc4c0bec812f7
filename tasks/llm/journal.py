"""The journal: what arrived is on disk before anything else is done with it.

    journal/1763793626004182390-7f3a.jsonl
    ["begun", "0199c0de-…", {"failure_id": "c3f1…", "response_id": "91d0…", "budget_usd": 0.0002}]
    ["responses", "0199c0de-…", {"response_id": "91d0…", "content": "… \\\\boxed{4}", …}, "c3f1…"]

A line is written before a call is sent and another when its answer arrives, so `kill -9` loses no
completed call, and what it cuts off is known: it may have been paid for. A segment is deleted when
its rows are committed to the store; the next run folds in what is left.
"""

import logging
import os
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson

from tasks.errors import StoreError
from tasks.identity import content_id
from tasks.lake.place import local_folder
from tasks.llm.columns import CALL_COLUMNS, frame_of
from tasks.store import Store

_LOGGER = logging.getLogger(__name__)
_BEGUN = "begun"


@dataclass(frozen=True, slots=True)
class Segment:
    """What a segment says; `begun` are the last words on calls, by id, and their runs."""

    rows: dict[tuple[str, str], list[dict[str, Any]]] = field(default_factory=dict)
    begun: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    over: set[str] = field(default_factory=set)
    unreadable: int = 0


class Journal:
    """An append-only file of rows, cut into segments; one owner a process."""

    def __init__(self, store: Store, run_id: str) -> None:
        self._folder = local_folder(store.settings) / "journal"
        self._run_id = run_id
        self._file: int | None = None
        self._path: Path | None = None
        self._under_way: dict[str, bytes] = {}

    def begin(self, row: Mapping[str, Any]) -> None:
        """Write down what is to be recorded of a call if nothing more is heard of it.

        The row is one of `failures`, and its `failure_id` the call's own id. What is said of a call
        later takes its place. Raises StoreError if the disk does not take it.
        """
        line = orjson.dumps([_BEGUN, self._run_id, row]) + b"\n"
        self._write(line)
        self._under_way[row["failure_id"]] = line

    def add(self, table: str, row: Mapping[str, Any], call_id: str | None = None) -> None:
        """Write a row down, with which a call is over. Raises StoreError if the disk is full."""
        said = [table, self._run_id, row]
        if call_id is not None:
            self._under_way.pop(call_id, None)
            said.append(call_id)
        self._write(orjson.dumps(said) + b"\n")

    def cut(self) -> Path | None:
        """End the segment and return its path; the next row starts another. None if it is empty."""
        path, self._path = self._path, None
        if self._file is not None:
            os.close(self._file)
            self._file = None
        return path

    def carry_over(self) -> None:
        """Write what is under way once more: the segment that has it is about to be deleted."""
        if self._under_way:
            self._write(b"".join(self._under_way.values()))

    def _write(self, lines: bytes) -> None:
        try:
            if self._file is None:
                self._open()
            assert self._file is not None
            written = os.write(self._file, lines)
            if written != len(lines):
                # Half a line would spoil the row that is written after it.
                os.ftruncate(self._file, os.fstat(self._file).st_size - written)
                raise OSError("the disk is full")
        except OSError as error:
            raise StoreError(f"{self._folder}: a call cannot be written down: {error}") from error

    def _open(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._path = self._folder / f"{time.time_ns()}-{uuid.uuid4().hex[:8]}.jsonl"
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def fold_in(store: Store) -> int:
    """Commit what a killed run wrote down and could not commit; return how many rows were new.

    Only for the holder of the store's lock: a living run's segments are its own. They go when all
    is committed, for a call may be over in another one than it was begun in.
    """
    paths = sorted((local_folder(store.settings) / "journal").glob("*.jsonl"))
    begun: dict[str, tuple[str, dict[str, Any]]] = {}
    over: set[str] = set()
    unreadable: dict[Path, int] = {}
    folded = 0
    for path in paths:  # In the order in which they were written.
        segment = read_segment(path)
        begun |= segment.begun
        over |= segment.over
        unreadable[path] = segment.unreadable
        for (table, run_id), rows in segment.rows.items():
            folded += _append(store, table, rows, run_id)
    cut_off: dict[str, list[dict[str, Any]]] = {}
    for call_id in begun.keys() - over:
        run_id, row = begun[call_id]
        cut_off.setdefault(run_id, []).append(row)
    for run_id, rows in cut_off.items():
        folded += _append(store, "failures", rows, run_id)
    for path, lines in unreadable.items():
        if lines:
            kept = path.rename(path.with_suffix(".unreadable"))
            _LOGGER.warning("%s: %d line(s) cannot be read; the file is kept", kept, lines)
        else:
            path.unlink()
    return folded


def _append(store: Store, table: str, rows: Sequence[Mapping[str, Any]], run_id: str) -> int:
    """Commit rows of a segment; return how many were new, with what was answered twice."""
    new = store.append(table, frame_of(table, rows), run_id=run_id)
    if table == "responses" and new < len(rows):
        again = _answers_again(store, rows, run_id)
        new += store.append("failures", frame_of("failures", again), run_id=run_id)
    return new


def _answers_again(
    store: Store, rows: Sequence[Mapping[str, Any]], run_id: str
) -> list[dict[str, Any]]:
    """Return what a run paid for answers that the store has from another run, as failures of it.

    A journal lies on its host. A run elsewhere has not seen it and asked again: one answer counts,
    and both cost.
    """
    answered = store.query("journal_answered", response_ids=[row["response_id"] for row in rows])
    runs = dict(answered.iter_rows())
    return [
        {
            **{name: row.get(name) for name in CALL_COLUMNS["failures"]},
            "failure_id": content_id("answered again", run_id, row["response_id"]),
            "failure": "retryable",
            "message": f"it was answered again, in the run {runs[row['response_id']]}, "
            "before this answer was in the store",
            "prompt_tokens": row.get("billed_prompt_tokens", row.get("prompt_tokens")),
            "completion_tokens": row.get("billed_completion_tokens", row.get("completion_tokens")),
        }
        for row in rows
        if runs.get(row["response_id"], run_id) != run_id
    ]


def read_segment(path: Path) -> Segment:
    """Return a segment's rows by table and run, its calls, and how many lines cannot be read."""
    segment, unreadable = Segment(), 0
    *whole, last = path.read_bytes().split(b"\n")
    for number, line in enumerate((*whole, last)):
        try:
            table, run_id, row, *call_ids = orjson.loads(line)
            if table == _BEGUN:
                segment.begun[row["failure_id"]] = run_id, row
                continue
            if table not in CALL_COLUMNS or not isinstance(row, dict):
                raise ValueError(f"no row of a table: {line[:80]!r}")
        except (ValueError, TypeError, KeyError):
            unreadable += number < len(whole)  # The last one may have been cut in two by a kill.
        else:
            segment.rows.setdefault((table, run_id), []).append(row)
            segment.over.update(call_ids)
    return replace(segment, unreadable=unreadable)
