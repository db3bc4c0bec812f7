"""The journal: what a killed run wrote down reaches the store, once."""

import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any, ClassVar

import orjson
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tasks.lake.place import local_folder
from tasks.llm.columns import frame_of
from tasks.llm.journal import Journal, fold_in, read_segment
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
    assert "journal: a call cannot be written down: the disk is full" in done.stdout
    assert fold_in(store) == 2
    found = store.sql("select response_id from responses order by 1")["response_id"]
    assert found.to_list() == ["a", "c"]


def _begun(name: str, attempts: int = 1, **changes: Any) -> dict[str, Any]:
    """Return what is written down of a call before it is sent."""
    row = {"failure_id": name, "response_id": name, "failure": "retryable", "attempts": attempts}
    return {**row, "budget_tokens": 128, "uncounted": 1, **changes}


def _commit(store: Store, journal: Journal, *, until: str = "unlinked") -> None:
    """Commit what is written down as the writer does, as far as a kill lets it."""
    segment = journal.cut()
    if segment is None or until == "cut":
        return
    for (table, run_id), rows in read_segment(segment).rows.items():
        store.append(table, frame_of(table, rows), run_id=run_id, known_new=True)
    if until != "committed":
        journal.carry_over()
    if until == "unlinked":
        segment.unlink()


def test_a_call_that_was_cut_off_is_a_failure_with_what_it_may_have_cost(store: Store) -> None:
    journal = Journal(store, "r1")
    for name in ("answered", "failed", "cut off", "waiting"):
        journal.begin(_begun(name))
    journal.add("responses", {**ROW, "response_id": "answered"}, "answered")
    journal.add("failures", _begun("failed", failure="refused", uncounted=0), "failed")
    # Its first attempt was of the wrong form, and it waits for the second one.
    journal.begin(_begun("waiting", budget_tokens=60, uncounted=0))
    assert fold_in(store) == 4
    found = store.sql(
        "select failure_id, failure, run_id, budget_tokens, uncounted from failures order by 1"
    ).rows()
    assert found == [
        ("cut off", "retryable", "r1", 128, 1),
        ("failed", "refused", "r1", 128, 0),
        ("waiting", "retryable", "r1", 60, 0),
    ]
    assert fold_in(store) == 0


def test_what_is_under_way_outlives_the_segment_that_it_began_in(store: Store) -> None:
    journal = Journal(store, "r1")
    journal.begin(_begun("over"))
    journal.begin(_begun("under way"))
    journal.add("responses", {**ROW, "response_id": "over"}, "over")
    _commit(store, journal)
    assert len(list((local_folder(store.settings) / "journal").iterdir())) == 1
    assert fold_in(store) == 1
    assert store.sql("select failure_id from failures")["failure_id"].to_list() == ["under way"]


def test_a_journal_of_calls_that_are_all_over_leaves_no_segment(store: Store) -> None:
    journal = Journal(store, "r1")
    journal.begin(_begun("over"))
    journal.add("responses", {**ROW, "response_id": "over"}, "over")
    _commit(store, journal)
    assert not list((local_folder(store.settings) / "journal").iterdir())


class Written(RuleBasedStateMachine):
    """A journal at work, killed anywhere, against what a list of calls says."""

    store: ClassVar[Store]

    def __init__(self) -> None:
        super().__init__()
        self.run = uuid.uuid4().hex
        self.journal = Journal(self.store, self.run)
        self.under_way: dict[str, int] = {}
        self.expected: dict[str, int | None] = {}  # Attempts of what was cut off; None is answered.

    @rule()
    def begin(self) -> None:
        name = uuid.uuid4().hex
        self.journal.begin(_begun(name))
        self.under_way[name] = 1

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def try_again(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.under_way)))
        self.under_way[name] += 1
        self.journal.begin(_begun(name, self.under_way[name]))

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.under_way)))
        del self.under_way[name]
        self.journal.add("responses", {**ROW, "response_id": name}, name)
        self.expected[name] = None

    @rule()
    def commit(self) -> None:
        _commit(self.store, self.journal)

    @rule(until=st.sampled_from(["nothing", "cut", "committed", "carried over", "unlinked"]))
    def kill(self, until: str) -> None:
        if until != "nothing":
            _commit(self.store, self.journal, until=until)
        self.expected |= self.under_way
        self.under_way = {}
        self.journal = Journal(self.store, self.run)
        fold_in(self.store)
        assert self._recorded() == self.expected

    def teardown(self) -> None:
        self.kill("nothing")

    def _recorded(self) -> dict[str, int | None]:
        found = self.store.sql(
            "select response_id, null as attempts from responses where run_id = $run_id "
            "union all select response_id, attempts from failures where run_id = $run_id",
            {"run_id": self.run},
        )
        assert found["response_id"].is_unique().all()
        return dict(found.iter_rows())


def test_wherever_it_is_killed_every_call_is_recorded_once(store: Store) -> None:
    machine = type("WrittenHere", (Written,), {"store": store})
    run_state_machine_as_test(
        machine, settings=settings(max_examples=20, stateful_step_count=15, deadline=None)
    )
