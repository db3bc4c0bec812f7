"""The writer: all that is put is committed, often at first, seldom after a while."""

import time

import pytest

from tasks.llm import writer
from tasks.llm.writer import Writer
from tasks.store import Store


def _commits(store: Store) -> int:
    return store.sql("select distinct created_at from responses").height


def _put(writing: Writer, rows: range) -> None:
    for number in rows:
        writing.put("responses", {"response_id": f"r{number}", "prompt_id": "p"})


def test_who_has_long_been_at_work_commits_less_often(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_GATHER_S", 0.05)
    monkeypatch.setattr(writer, "_FIRST_COMMITS", 3)
    monkeypatch.setattr(writer, "_LATER_GATHER_S", 60.0)
    with Writer(store, "r") as writing:
        for number in range(3):
            _put(writing, range(number, number + 1))
            while _commits(store) <= number:
                time.sleep(0.02)
        _put(writing, range(3, 20))
        time.sleep(0.5)
        assert _commits(store) == 3
    assert _commits(store) == 4
    with Writer(store, "r") as writing:  # Another one goes on as the first one did.
        _put(writing, range(20, 21))
        time.sleep(0.5)
        assert _commits(store) == 4
    assert store.sql("select count(*) as n from responses")["n"].item() == 21


def test_many_rows_are_committed_at_once_also_later(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_GATHER_S", 0.05)
    monkeypatch.setattr(writer, "_FIRST_COMMITS", 0)
    monkeypatch.setattr(writer, "_LATER_GATHER_S", 60.0)
    monkeypatch.setattr(writer, "_GATHER_ROWS", 10)
    with Writer(store, "r") as writing:
        _put(writing, range(12))
        deadline = time.monotonic() + 10
        while not _commits(store) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert _commits(store) == 1
