"""The store among processes: writers, readers, a full disk and `kill -9` lose nothing."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest

from tasks.errors import StoreError
from tasks.recipe import StoreSettings
from tasks.store import Store, close_stores, open_store

ROOT = Path(__file__).resolve().parents[1]
OPEN = """
import sys
import polars as pl
from tasks.errors import StoreError
from tasks.recipe import StoreSettings
from tasks.store import open_store
catalog = sys.argv[1]

def append(name, rows):
    frame = pl.DataFrame({"prompt_id": [f"{name}-{row}" for row in range(rows)]})
    return store.append("prompts", frame)

store = open_store(StoreSettings(catalog=catalog))
"""
# Appends a frame a commit and acknowledges each one, till it has done so many or is killed.
APPENDER = (
    OPEN
    + """
name, commits, rows = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
for index in range(commits):
    append(f"{name}-{index}", rows)
    print(index, flush=True)
"""
)
# Holds a transaction open and says what it sees whenever it is asked; then lets go of it.
READER = """
import sys
from cli.reading import open_reader
from tasks.recipe import StoreSettings
with open_reader(StoreSettings(catalog=sys.argv[1])) as connection:
    count = "select count(*), count(text) from prompts"
    connection.execute("begin")
    print(connection.execute(count).fetchall()[0], flush=True)
    sys.stdin.readline()
    print(connection.execute(count).fetchall()[0], flush=True)
    connection.execute("commit")
    print(connection.execute(count).fetchall()[0], flush=True)
"""
# May write no file beyond a size: for the system that is a full disk. Then there is room again.
CRAMPED = (
    OPEN
    + """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
append("before", 100)
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, hard))
try:
    append("during", 2_000)
except StoreError as error:
    print(type(error).__name__, str(error)[:200], flush=True)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
print(append("after", 100), store.sql("select count(*) from prompts").item(), flush=True)
"""
)


@contextmanager
def _process(script: str, *arguments: object) -> Iterator["subprocess.Popen[str]"]:
    """Run a script of ours in another process, ended with the block."""
    with subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _finish(process: "subprocess.Popen[str]") -> str:
    output, errors = process.communicate(timeout=100)
    assert (process.returncode, errors) == (0, "")
    return output


def _append(store: Store, name: str, rows: int) -> None:
    ids = [f"{name}-{row}" for row in range(rows)]
    assert store.append("prompts", pl.DataFrame({"prompt_id": ids})) == rows


def _ids(store: Store) -> list[str]:
    return store.sql("select prompt_id from prompts order by 1")["prompt_id"].to_list()


@contextmanager
def _mounted(folder: Path, options: str) -> Iterator[None]:
    """Mount a file system in memory; skips where that is not allowed."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("only root may mount a file system, and not in every container")
    try:
        yield
    finally:
        close_stores()
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.slow
def test_processes_that_make_a_store_and_write_to_it_at_once_lose_nothing(tmp_path: Path) -> None:
    catalog = tmp_path / "store" / "catalog.sqlite"
    with (
        _process(APPENDER, catalog, "one", 12, 3) as one,
        _process(APPENDER, catalog, "two", 12, 30) as two,
    ):
        _finish(one)
        _finish(two)
    store = open_store(StoreSettings(catalog=str(catalog)))
    wanted = [f"one-{index}-{row}" for index in range(12) for row in range(3)]
    wanted += [f"two-{index}-{row}" for index in range(12) for row in range(30)]
    assert _ids(store) == sorted(wanted)
    assert store.sql("select number from migrations")["number"].is_unique().all()
    close_stores()


@pytest.mark.slow
def test_a_reader_neither_blocks_nor_sees_fifty_commits_and_a_compaction(store: Store) -> None:
    _append(store, "seen", 100)
    with _process(READER, store.settings.catalog) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "(100, 0)\n"
        slowest = 0.0
        for index in range(50):
            began = time.perf_counter()
            _append(store, f"unseen-{index}", 20)
            slowest = max(slowest, time.perf_counter() - began)
        store.execute("update prompts set text = 'changed'")
        store.compact()
        assert _finish(reader).splitlines() == ["(100, 0)", "(1100, 1100)"]
    assert slowest < 5  # A blocked writer would have waited its 10 s for the catalog.


@pytest.mark.parametrize("kills", [2, pytest.param(12, marks=pytest.mark.slow)])
def test_kill_9_loses_no_acknowledged_commit_and_leaves_no_half(tmp_path: Path, kills: int) -> None:
    catalog = tmp_path / "catalog.sqlite"
    chance = random.Random(11)
    acknowledged: list[str] = []
    for kill in range(kills):
        rows = 5 if kill % 2 else 200  # In the catalog itself, and as a file.
        with _process(APPENDER, catalog, kill, 100_000, rows) as appender:
            assert appender.stdout is not None
            appender.stdout.readline()
            time.sleep(chance.uniform(0.1, 0.6))
            appender.send_signal(signal.SIGKILL)
            said = ["0", *appender.stdout.read().split()]
        acknowledged += [f"{kill}-{index}-{row}" for index in said for row in range(rows)]
        store = open_store(StoreSettings(catalog=str(catalog)))
        found = store.sql(
            "select split_part(prompt_id, '-', 2)::int as number, count(*)::int as rows "
            "from prompts where starts_with(prompt_id, $run) group by all order by all",
            {"run": f"{kill}-"},
        )
        assert found.rows() == [(number, rows) for number in range(found.height)]
        assert len(said) <= found.height <= len(said) + 1
        assert set(acknowledged) <= set(_ids(store))
        close_stores()


@pytest.mark.slow
def test_a_full_disk_is_a_store_error_and_loses_nothing(tmp_path: Path) -> None:
    catalog = tmp_path / "catalog.sqlite"
    with _process(CRAMPED, catalog) as cramped:
        said = _finish(cramped).splitlines()
    assert said[0].startswith(
        "StoreError the disk of the store is full or failing; free some space, run again"
    )
    assert said[-1] == "100 200"
    store = open_store(StoreSettings(catalog=str(catalog)))
    assert {name.split("-")[0] for name in _ids(store)} == {"before", "after"}
    assert len(_ids(store)) == 200
    close_stores()


@pytest.mark.slow
def test_a_full_file_system_is_a_store_error_and_loses_nothing(tmp_path: Path) -> None:
    with _mounted(tmp_path / "small", "size=3m"):
        settings = StoreSettings(catalog=str(tmp_path / "small" / "store" / "catalog.sqlite"))
        store = open_store(settings)
        _append(store, "before", 100)
        filler = tmp_path / "small" / "filler"
        with pytest.raises(OSError, match="No space left"):
            filler.write_bytes(os.urandom(4_000_000))
        with pytest.raises(
            StoreError, match="the disk of the store is full or failing; free some space"
        ):
            _append(store, "during", 20_000)
        filler.unlink()  # Till then even reading may fail: SQLite needs a page of the disk for it.
        _append(store, "after", 100)
        close_stores()
        assert len(_ids(open_store(settings))) == 200


@pytest.mark.slow
def test_a_read_only_folder_is_a_store_error(tmp_path: Path) -> None:
    with _mounted(tmp_path / "frozen", "size=8m"):
        settings = StoreSettings(catalog=str(tmp_path / "frozen" / "store" / "catalog.sqlite"))
        _append(open_store(settings), "before", 100)
        close_stores()
        freeze = ["mount", "-o", "remount,ro", str(tmp_path / "frozen")]
        subprocess.run(freeze, check=True)
        with pytest.raises(StoreError, match="the store's folder is read-only for this user"):
            open_store(settings)
        with pytest.raises(StoreError, match="the store's folder cannot be made"):
            open_store(StoreSettings(catalog=str(tmp_path / "frozen" / "new" / "catalog.sqlite")))
        subprocess.run([*freeze[:2], "remount,rw", freeze[3]], check=True)
        assert len(_ids(open_store(settings))) == 100
