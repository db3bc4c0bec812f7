"""TEACHSET_THREADS means the same to everybody who reads it."""

from collections.abc import Callable

import pytest

from expectations.duckdb_source import open_database
from tasks.errors import StoreError
from tasks.lake.place import connect_duckdb
from tasks.select.chunks import count_workers
from tasks.store import Store

ASKED = "select current_setting('threads')"


def _of_the_gate() -> int:
    with open_database() as database:
        return int(database.connection.execute(ASKED).fetchall()[0][0])


def _of_the_store() -> int:
    with connect_duckdb(()) as connection:
        return int(connection.execute(ASKED).fetchall()[0][0])


EVERYBODY = (count_workers, _of_the_gate, _of_the_store)


@pytest.mark.parametrize("read", EVERYBODY)
@pytest.mark.parametrize("said", ["3", "03"])
def test_a_number_is_taken(
    read: Callable[[], int], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEACHSET_THREADS", said)
    assert read() == 3


@pytest.mark.parametrize("read", EVERYBODY)
@pytest.mark.parametrize("said", ["0", "-1", "two", "2.5", "²", " 2", "9" * 5_000])
def test_what_is_no_number_is_refused(
    read: Callable[[], int], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEACHSET_THREADS", said)
    with pytest.raises(StoreError, match="it must be a number of at least 1"):
        read()


def test_a_store_that_is_open_says_so_too(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEACHSET_THREADS", "two")
    with pytest.raises(StoreError, match="it must be a number of at least 1"):
        store.fit_threads()
