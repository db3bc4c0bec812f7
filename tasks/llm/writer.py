"""The writer: what arrived is in the journal at once and in the store within a second or some.

Each commit is a file that every question has to open, so a process that has long been at work
commits less often: a run of ten minutes would leave seven hundred.

One thread gathers rows and commits them, off the event loop; callers ask `is_full` before they make
another call, so memory is bounded.
"""

import queue
import threading
import time
from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

from tasks.llm.columns import CALL_COLUMNS, frame_of
from tasks.llm.journal import Journal
from tasks.store import Store

_GATHER_S = 0.8
_FIRST_COMMITS, _LATER_GATHER_S = 30, 5.0
_GATHER_ROWS = 2_000
_MOST_ROWS = 4_000  # Beyond this, no new call is made until the store has caught up.


class Writer:
    """Appends rows to `responses` and `failures`; use it as a context manager."""

    def __init__(self, store: Store, run_id: str) -> None:
        self._store = store
        self._run_id = run_id
        self._journal = Journal(store, run_id)
        self._cutting = threading.Lock()
        self._rows: queue.SimpleQueue[tuple[str, Mapping[str, Any]]] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._write, name="writer", daemon=True)
        self.error: BaseException | None = None

    def __enter__(self) -> "Writer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Commit everything that was put; raises what stopped the writer, if anything did."""
        self._closed.set()
        self._thread.join()
        if self.error is not None:
            raise self.error

    def is_full(self) -> bool:
        """Say whether the callers should wait before they ask for more."""
        return self._rows.qsize() > _MOST_ROWS

    def begin(self, row: Mapping[str, Any]) -> None:
        """Write down a call that is about to be sent, as the failure that it is if this process
        ends first. Raises StoreError if the journal does not take it.
        """
        with self._cutting:
            self._journal.begin(row)

    def put(self, table: str, row: Mapping[str, Any], call_id: str | None = None) -> None:
        """Write a row down, with which a call is over; it survives this process from here on.

        Raises StoreError if the journal does not take it; the store may, so it is tried.
        """
        with self._cutting:
            self._rows.put((table, row))
            self._journal.add(table, row, call_id)

    def _write(self) -> None:
        last = False
        while not last:
            is_young = _COMMITS.get(self._store, 0) < _FIRST_COMMITS
            last = self._wait(_GATHER_S if is_young else _LATER_GATHER_S)
            if self.error is None:
                try:
                    self._commit()
                except BaseException as error:
                    self.error = error  # Raised on exit; the journal keeps what was not committed.

    def _wait(self, seconds: float) -> bool:
        """Wait so long, or until many rows have come; return whether no more will."""
        until = time.monotonic() + seconds
        while self._rows.qsize() < _GATHER_ROWS and (left := until - time.monotonic()) > 0:
            if self._closed.wait(min(_GATHER_S, left)):
                break
        return self._closed.is_set()

    def _commit(self) -> None:
        with self._cutting:
            gathered = [self._rows.get() for _ in range(self._rows.qsize())]
            segment = self._journal.cut()
        for table in CALL_COLUMNS:
            if rows := [row for name, row in gathered if name == table]:
                frame = frame_of(table, rows)
                self._store.append(table, frame, run_id=self._run_id, known_new=True)
                _COMMITS[self._store] = _COMMITS.get(self._store, 0) + 1
        if segment is not None:
            with self._cutting:
                self._journal.carry_over()
            segment.unlink()


# Of this process to a store: every chunk of calls has a writer of its own.
_COMMITS: WeakKeyDictionary[Store, int] = WeakKeyDictionary()
