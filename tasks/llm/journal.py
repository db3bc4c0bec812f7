"""The journal: what arrived is on disk before anything else is done with it.

    journal/1763793626-7f3a.jsonl
    ["responses", "0199c0de-…", {"response_id": "91d0…", "content": "… \\\\boxed{4}", …}]

A line is written when an answer arrives, so `kill -9` loses no completed call. A segment is deleted
when its rows are committed to the store; the next run folds in what is left.
"""

import logging
import os
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from tasks.errors import StoreError
from tasks.identity import content_id
from tasks.lake import local_folder
from tasks.llm.columns import CALL_COLUMNS, frame_of
from tasks.store import Store

_LOGGER = logging.getLogger(__name__)


class Journal:
    """An append-only file of rows, cut into segments; one owner a process."""

    def __init__(self, store: Store, run_id: str) -> None:
        self._folder = local_folder(store.settings) / "journal"
        self._run_id = run_id
        self._file: int | None = None
        self._path: Path | None = None

    def add(self, table: str, row: Mapping[str, Any]) -> None:
        """Write a row down. Raises StoreError if the disk does not take it."""
        line = orjson.dumps([table, self._run_id, row]) + b"\n"
        try:
            if self._file is None:
                self._open()
            assert self._file is not None
            written = os.write(self._file, line)
            if written != len(line):
                # Half a line would spoil the row that is written after it.
                os.ftruncate(self._file, os.fstat(self._file).st_size - written)
                raise OSError("the disk is full")
        except OSError as error:
            raise StoreError(
                f"{self._folder}: an answer cannot be written down: {error}"
            ) from error

    def cut(self) -> Path | None:
        """End the segment and return its path; the next row starts another. None if it is empty."""
        path, self._path = self._path, None
        if self._file is not None:
            os.close(self._file)
            self._file = None
        return path

    def _open(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._path = self._folder / f"{int(time.time())}-{uuid.uuid4().hex[:8]}.jsonl"
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def fold_in(store: Store) -> int:
    """Commit what a killed run wrote down and could not commit; return how many rows were new.

    Only for the holder of the store's lock: a living run's segments are its own.
    """
    folded = 0
    for path in sorted((local_folder(store.settings) / "journal").glob("*.jsonl")):
        by_table, unreadable = read_segment(path)
        for (table, run_id), rows in by_table.items():
            new = store.append(table, frame_of(table, rows), run_id=run_id)
            if table == "responses" and new < len(rows):
                again = _answers_again(store, rows, run_id)
                new += store.append("failures", frame_of("failures", again), run_id=run_id)
            folded += new
        if unreadable:
            kept = path.rename(path.with_suffix(".unreadable"))
            _LOGGER.warning("%s: %d line(s) cannot be read; the file is kept", kept, unreadable)
        else:
            path.unlink()
    return folded


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


def read_segment(path: Path) -> tuple[dict[tuple[str, str], list[dict[str, Any]]], int]:
    """Return a segment's rows by table and run, and how many whole lines cannot be read."""
    by_table: dict[tuple[str, str], list[dict[str, Any]]] = {}
    unreadable = 0
    *whole, last = path.read_bytes().split(b"\n")
    for number, line in enumerate((*whole, last)):
        try:
            table, run_id, row = orjson.loads(line)
            if table not in CALL_COLUMNS or not isinstance(row, dict):
                raise ValueError(f"no row of a table: {line[:80]!r}")
        except (ValueError, TypeError):
            unreadable += number < len(whole)  # The last one may have been cut in two by a kill.
        else:
            by_table.setdefault((table, run_id), []).append(row)
    return by_table, unreadable
