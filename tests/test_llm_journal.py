"""The journal: what a killed run wrote down reaches the store, once."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from tasks.lake import local_folder
from tasks.llm.journal import Journal, fold_in
from tasks.store import Store

ROW: dict[str, Any] = {"response_id": "a", "role": "student", "sample_index": 3, "cost_usd": None}
# Adds rows, of which the second does not fit on the disk, as long as it is as full as that.
CRAMPED = """
import resource, signal, sys
from tasks.errors import StoreError
from tasks.llm.journal import Journal
from tasks.recipe import StoreSettings
from tasks.store import Store
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
journal = Journal(Store(StoreSettings(catalog=sys.argv[1]), None), "r")
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, hard))
journal.add("responses", {"response_id": "a"})
try:
    journal.add("responses", {"response_id": "b", "content": "x" * 2_000})
except StoreError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
journal.add("responses", {"response_id": "c"})
"""


def _write_segment(store: Store, name: str, *lines: bytes) -> Path:
    folder = local_folder(store.settings) / "journal"
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(b"".join(lines))
    return path


def _line(table: str, row: object, run_id: str = "r") -> bytes:
    return orjson.dumps([table, run_id, row]) + b"\n"


def test_what_was_written_down_is_folded_in_once(store: Store) -> None:
    assert fold_in(store) == 0
    journal = Journal(store, "r1")
    assert journal.cut() is None
    journal.add("responses", {**ROW, "content": 'é\n"x"', "cost_usd": 0.25})
    journal.add("failures", {"response_id": "f", "failure": "refused"})
    first = journal.cut()
    journal.add("responses", {**ROW, "response_id": "b"})
    second = journal.cut()
    assert first is not None
    assert second is not None
    assert first != second
    copy = first.read_bytes()

    assert fold_in(store) == 3
    assert not first.exists()
    assert not second.exists()
    assert fold_in(store) == 0
    # The kill came after the commit and before the segment was deleted.
    first.write_bytes(copy)
    assert fold_in(store) == 0

    rows = store.sql(
        "select response_id, run_id, sample_index, content, cost_usd, model from responses "
        "order by response_id"
    )
    assert rows.rows() == [("a", "r1", 3, 'é\n"x"', 0.25, None), ("b", "r1", 3, None, None, None)]
    assert store.sql("select response_id, run_id, failure from failures").rows() == [
        ("f", "r1", "refused")
    ]


def test_segments_of_several_runs_keep_their_runs(store: Store) -> None:
    rows = [_line("responses", {**ROW, "response_id": name}, run_id=name * 2) for name in "abc"]
    _write_segment(store, "1.jsonl", rows[0], rows[1])
    _write_segment(store, "2.jsonl", rows[1], rows[2])
    assert fold_in(store) == 3
    found = store.sql("select response_id, run_id from responses order by 1").rows()
    assert found == [("a", "aa"), ("b", "bb"), ("c", "cc")]


@pytest.mark.parametrize("keep", [0, 1, 15, -2, -1])
def test_a_torn_last_line_costs_only_itself(store: Store, keep: int) -> None:
    last = _line("responses", {**ROW, "response_id": "b"})
    path = _write_segment(store, "1.jsonl", _line("responses", ROW), last[:keep])
    whole = keep == -1  # Only the line's end is missing.
    assert fold_in(store) == 1 + whole
    assert not path.exists()


def test_a_line_that_cannot_be_read_is_kept_beside(store: Store) -> None:
    lines = [b"5\n", b"[1, 2]\n", b"{\n", _line("no_such_table", ROW), _line("responses", [1])]
    path = _write_segment(store, "1.jsonl", *lines, _line("responses", ROW))
    content = path.read_bytes()
    assert fold_in(store) == 1
    assert not path.exists()
    assert path.with_suffix(".unreadable").read_bytes() == content
    assert fold_in(store) == 0


def test_a_row_that_does_not_fit_on_the_disk_spoils_no_other(store: Store) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CRAMPED, store.settings.catalog],
        cwd=Path(__file__).resolve().parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "journal: an answer cannot be written down: the disk is full" in done.stdout
    assert fold_in(store) == 2
    found = store.sql("select response_id from responses order by 1")["response_id"]
    assert found.to_list() == ["a", "c"]
