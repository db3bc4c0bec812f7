"""The store: what was acknowledged is there for good, and nothing is there twice."""

import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest

from tasks import store as store_module
from tasks.errors import StoreError
from tasks.lake.place import SQL_FOLDER, attach_statement, connect_duckdb
from tasks.recipe import StoreSettings
from tasks.store import LATEST, UNIQUE, Store, close_stores, open_store

MIGRATIONS = sorted(int(file.name[:4]) for file in (SQL_FOLDER / "migrations").glob("[0-9]*.sql"))


def _prompts(*ids: str, **columns: object) -> pl.DataFrame:
    return pl.DataFrame({"prompt_id": ids}).with_columns(
        pl.lit(value).alias(name) for name, value in columns.items()
    )


def _settings(folder: Path, **settings: object) -> StoreSettings:
    return StoreSettings.model_validate({"catalog": str(folder / "catalog.sqlite"), **settings})


def _count_files(store: Store, table: str) -> int:
    listed = store.sql(f"select count(*) as n from ducklake_list_files('lake', '{table}')")
    return int(listed["n"].item())


def test_append_leaves_out_rows_that_are_there(store: Store) -> None:
    twice = pl.DataFrame({"prompt_id": ["a", "b", "a"], "text": ["first", "x", "second"]})
    assert store.append("prompts", twice, run_id="r1") == 2
    assert store.append("prompts", _prompts("b", "c", text="other"), run_id="r2") == 1
    assert store.append("prompts", _prompts()) == 0
    rows = store.sql("select prompt_id, text, run_id, domain, created_at from prompts order by 1")
    assert rows.select("prompt_id", "text", "run_id", "domain").rows() == [
        ("a", "first", "r1", None),
        ("b", "x", "r1", None),
        ("c", "other", "r2", None),
    ]
    assert rows["created_at"].null_count() == 0


def test_a_row_is_there_only_if_all_its_unique_columns_are(store: Store) -> None:
    source = pl.DataFrame({"prompt_id": ["a", "a"], "uri": ["x", "x"], "row_number": [1, 2]})
    assert store.append("prompt_sources", source) == 2
    assert store.append("prompt_sources", source.with_columns(uri=pl.lit("y"))) == 2
    assert store.append("prompt_sources", source) == 0
    nameless = pl.DataFrame({"prompt_id": ["a"], "uri": [None]}, {"prompt_id": str, "uri": str})
    unnumbered = nameless.with_columns(row_number=pl.lit(1))
    assert [store.append("prompt_sources", unnumbered) for _ in range(2)] == [1, 0]


def test_a_table_of_last_words_keeps_every_change_and_no_repetition(store: Store) -> None:
    def say(answer: str | None, share: float = 0.75, run_id: str = "r") -> int:
        word = pl.DataFrame({"prompt_id": ["a"], "answer": [answer], "share": [share]})
        return store.append("keys", word.cast({"answer": pl.String}), run_id=run_id)

    assert [say("4"), say("4"), say("4", run_id="other")] == [1, 0, 0]
    assert [say("5"), say("4"), say("4", share=1.0), say(None), say(None)] == [1, 1, 1, 1, 0]
    said = store.sql("select answer, share from keys order by created_at")
    assert said.rows() == [("4", 0.75), ("5", 0.75), ("4", 0.75), ("4", 1.0), (None, 0.75)]
    assert store.sql("select answer from current_keys").rows() == [(None,)]
    both = pl.DataFrame({"prompt_id": ["b", "c", "b"], "answer": ["1", "2", "3"]})
    assert store.append("keys", both) == 2
    current = store.sql(
        "select prompt_id, answer from current_keys where prompt_id > 'a' order by 1"
    )
    assert current.rows() == [("b", "3"), ("c", "2")]


@pytest.mark.slow
def test_the_last_word_counts_though_the_clock_was_set_back(tmp_path: Path) -> None:
    store = open_store(_settings(tmp_path))
    ahead = datetime.now(UTC) + timedelta(hours=1)
    store.begin_after(ahead)  # As of a run whose clock was an hour ahead.
    store.append("runs", pl.DataFrame({"run_id": ["early"], "started_at": [store.moment()]}))
    decided = pl.DataFrame({"policy": ["p"], "prompt_id": ["a"], "kept": [True], "stage": "select"})
    assert store.append("decisions", decided) == 1
    close_stores()

    again = open_store(_settings(tmp_path))
    dropped = decided.with_columns(kept=pl.lit(False))
    assert [again.append("decisions", dropped) for _ in range(3)] == [1, 0, 0]
    assert again.sql("select kept from current_decisions")["kept"].to_list() == [False]
    assert ahead < again.moment() < again.moment()
    # A batch is looked for at its server by the time at which it was made.
    again.append("batches", pl.DataFrame({"batch_id": ["b"]}))
    assert again.sql("select created_at from batches").item() < ahead
    close_stores()


def test_rows_known_to_be_new_are_not_looked_for(store: Store) -> None:
    assert store.append("prompts", _prompts("a", "a", "b"), known_new=True) == 2
    assert store.append("prompts", _prompts("b"), known_new=True) == 1


def test_the_columns_are_those_of_the_migrations(store: Store) -> None:
    columns = store.columns("prompts")
    assert list(columns)[:3] == ["prompt_id", "root_id", "parent_id"]
    assert (columns["choices"], columns["level"]) == ("VARCHAR[]", "INTEGER")
    assert columns["created_at"] == "TIMESTAMP WITH TIME ZONE"
    for table, key in {**UNIQUE, **LATEST}.items():
        assert set(key) <= set(store.columns(table))
    with pytest.raises(ValueError, match="prompts has no column promt"):
        store.append("prompts", pl.DataFrame({"promt": ["x"]}))
    assert store.sql("select * from prompts").is_empty()


def test_a_value_is_bound_and_never_sql(store: Store) -> None:
    attack = "'; drop table prompts; --"
    store.append("prompts", _prompts(attack, "x", text=attack))
    assert store.query("explain_find", prefix=attack)["id"].to_list() == [attack]
    assert store.sql("select 1 from prompts where text = $text", {"text": attack}).height == 2
    assert store.sql("select 1 from prompts where prompt_id = $x", {"x": "' or 1=1 --"}).is_empty()
    assert store.append("prompts", _prompts(attack)) == 0
    store.execute("update prompts set text = $text where prompt_id = 'x'", {"text": "b'); --"})
    assert store.sql("select text from prompts order by 1").rows() == [(attack,), ("b'); --",)]


OURS = """
import sys
from tasks.lake.place import connect_duckdb
from tasks.recipe import StoreSettings
from tasks.store import open_store
from tasks.lake.without_pandas import leave_pandas_out
import polars as pl

leave_pandas_out()
store = open_store(StoreSettings(catalog=sys.argv[1]))
store.append("prompts", pl.DataFrame({"prompt_id": ["a"], "text": ["x"], "choices": [["y"]]}))
assert store.sql("select $text as text", {"text": "x"})["text"].to_list() == ["x"]
assert "pandas" not in sys.modules, "imported for a value that was bound"

connection = connect_duckdb()
frame = connection.execute("select unnest([1, null]) as n, unnest(['x', null]) as t").df()
import pandas
assert pandas is sys.modules["pandas"] and isinstance(frame, pandas.DataFrame)
assert frame.isna().values.tolist() == [[False, False], [True, True]]
assert connection.execute("select sum(n) from frame").fetchall() == [(1,)]
"""
THEIRS = """
from tasks.lake.place import connect_duckdb
connection = connect_duckdb()
connection.execute("select ?", ["x"])
import pandas
bound = connection.execute("select ?, ?", [pandas.NA, pandas.NaT]).fetchall()
assert bound == [(None, None)]
"""


@pytest.mark.slow
@pytest.mark.parametrize("program", [OURS, THEIRS], ids=["ours", "theirs"])
def test_a_process_of_ours_needs_no_pandas_and_one_of_theirs_has_it_whole(
    tmp_path: Path, program: str
) -> None:
    command = [sys.executable, "-c", program, str(tmp_path / "catalog.sqlite")]
    ran = subprocess.run(command, cwd=SQL_FOLDER.parent, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


def test_text_comes_back_as_it_went_in(store: Store) -> None:
    texts = ["", " ", "é ≠ e\u0301", "🙂", "a\nb\r\n\tc", "'\"\\`$x", "x" * 200_000]
    store.append("prompts", pl.DataFrame({"prompt_id": [*"abcdefg"], "text": texts}))
    store.append("prompts", pl.DataFrame({"prompt_id": ["h"], "choices": [["é", "", "'"]]}))
    back = store.sql("select text, choices from prompts order by prompt_id")
    assert back["text"].to_list() == [*texts, None]
    assert back["choices"].to_list()[-1] == ["é", "", "'"]


def test_an_answer_is_recalled_until_anybody_commits(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def recall(policy: str = "p") -> pl.DataFrame:
        return store.recall("funnel_of_policy", policy=policy)

    def keep(prompt_id: str, writer: Store) -> None:
        writer.append("prompts", _prompts(prompt_id, domain="math", kind="seed"))
        writer.append("decisions", _prompts(prompt_id, policy="p", kept=True))

    keep("a", store)
    first = recall()
    assert first["prompts"].to_list() == [1]
    assert recall() is first
    assert recall("other").is_empty()
    with connect_duckdb() as other:
        other.execute(attach_statement(store.settings))
        keep("b", Store(store.settings, other))
    assert recall()["prompts"].to_list() == [2]
    assert recall().equals(store.query("funnel_of_policy", policy="p"))
    monkeypatch.setattr("tasks.store.MOST_RECALLED_BYTES", 1)
    keep("c", store)
    assert recall() is not recall()


def test_a_stream_is_bounded_and_complete_while_others_write(store: Store) -> None:
    ids = [f"{index:05}" for index in range(10_000)]
    store.append("prompts", _prompts(*ids))
    frames = store.stream("select_prompt_texts", 1_000)
    first = next(frames)
    store.append("prompts", _prompts("late"))
    heights = [first.height]
    seen = first["prompt_id"].to_list()
    for frame in frames:
        heights.append(frame.height)
        seen += frame["prompt_id"].to_list()
    assert sorted(seen) == ids
    assert max(heights) <= 2_048
    assert len(heights) >= 5
    left = store.stream("select_prompt_texts", 1_000)
    next(left)
    left.close()
    assert store.append("prompts", _prompts("later")) == 1


def test_threads_share_a_store(store: Store) -> None:
    added: list[int] = []

    def write(name: str) -> None:
        for index in range(5):
            added.append(store.append("prompts", _prompts(f"{name}-{index}", "shared")))

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(added) == 21
    assert store.sql("select prompt_id from prompts").height == 21


def test_a_small_store_is_read_by_one_thread_and_a_large_one_by_all(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def threads() -> int:
        return int(store.sql("select current_setting('threads')::integer as n")["n"].item())

    monkeypatch.delenv("TEACHSET_THREADS", raising=False)
    store.append("prompts", _prompts("a", "b"))
    store.fit_threads()
    assert threads() == 1
    monkeypatch.setattr("tasks.store.ONE_THREAD_BYTES", -1)
    store.fit_threads()
    every_core = duckdb.connect().execute("select current_setting('threads')").fetchall()[0][0]
    assert threads() == every_core
    monkeypatch.setenv("TEACHSET_THREADS", "7")
    store.cursor().execute("set threads = 7")
    store.fit_threads()
    assert threads() == 7


def test_migrations_are_applied_once_and_versions_are_checked(tmp_path: Path) -> None:
    settings = _settings(tmp_path / "store")
    with pytest.raises(StoreError, match=r"there is no store here yet\. Make it with"):
        open_store(settings, migrate=False)
    assert not (tmp_path / "store").exists()

    store = open_store(settings)
    assert open_store(settings) is store
    close_stores()
    close_stores()
    store = open_store(settings, migrate=False)
    applied = store.sql("select number from migrations order by number")["number"].to_list()
    assert applied == MIGRATIONS

    store.execute(f"delete from migrations where number = {MIGRATIONS[-1]}")
    close_stores()
    with pytest.raises(
        StoreError, match=rf"needs migration {MIGRATIONS[-1]:04}_\w+; it is applied"
    ):
        open_store(settings, migrate=False)

    connection = connect_duckdb()
    connection.execute(attach_statement(settings))
    connection.execute("insert into lake.migrations values (9000, '9000_future', now())")
    connection.close()
    with pytest.raises(
        StoreError, match=r"is at migration 9000, this Teachset knows \d+\. Use the"
    ):
        open_store(settings)


@pytest.mark.slow
def test_a_store_may_be_moved(tmp_path: Path) -> None:
    store = open_store(_settings(tmp_path / "here"))
    store.append("prompts", _prompts(*map(str, range(100))))
    close_stores()
    (tmp_path / "here").rename(tmp_path / "there")
    store = open_store(_settings(tmp_path / "there"))
    assert store.append("prompts", _prompts(*map(str, range(50, 150)))) == 50
    store.compact()
    close_stores()
    store = open_store(_settings(tmp_path / "there"))
    assert store.sql("select prompt_id from prompts").height == 150
    close_stores()
    assert not (tmp_path / "here").exists()


@pytest.mark.slow
def test_another_folder_for_the_data_is_refused(tmp_path: Path) -> None:
    open_store(_settings(tmp_path, data=str(tmp_path / "one"))).append("prompts", _prompts("a"))
    close_stores()
    with pytest.raises(StoreError, match=r"store\.data names another folder than the one that"):
        open_store(_settings(tmp_path, data=str(tmp_path / "two")))


@pytest.mark.slow
def test_a_folder_holds_one_store(store_folder: Path) -> None:
    with pytest.raises(StoreError, match=r"two\.sqlite: catalog\.sqlite in this folder is the cat"):
        open_store(StoreSettings(catalog=str(store_folder / "two.sqlite")))
    assert not (store_folder / "two.sqlite").exists()
    open_store(StoreSettings(catalog=str(store_folder / "beside" / "two.sqlite")))


def test_a_new_store_is_empty_and_its_catalog_knows_how_much_is_in_every_table(
    store: Store,
) -> None:
    """Of a table that never had a row DuckLake asks again at each scan, once a column."""
    tables = store.sql("select table_name from duckdb_tables() where database_name = 'lake'")
    names = set(tables["table_name"]) - {"migrations"}
    assert not [name for name in names if not store.sql(f"from {name}").is_empty()]
    counted = store.sql(
        "select table_name from __ducklake_metadata_lake.ducklake_table "
        "semi join __ducklake_metadata_lake.ducklake_table_stats using (table_id)"
    )
    assert names <= set(counted["table_name"])


@pytest.mark.slow
def test_compacting_changes_no_row_and_leaves_fewer_files(store: Store) -> None:
    for index in range(6):
        store.append("prompts", _prompts(*(f"{index}-{row}" for row in range(100))))
    store.append("prompts", _prompts("single"))  # Few rows are kept in the catalog at first.
    rows = "select * from prompts order by prompt_id"
    before, files = store.sql(rows), _count_files(store, "prompts")
    snapshots = "select count(*) as n from ducklake_snapshots('lake')"
    kept = store.sql(snapshots)["n"].item()
    store.compact()
    assert store.sql(rows).equals(before)
    assert files == 6
    assert _count_files(store, "prompts") <= 2
    assert store.sql(snapshots)["n"].item() >= kept


@pytest.mark.slow
def test_old_snapshots_expire_and_their_files_go(tmp_path: Path) -> None:
    store = open_store(_settings(tmp_path, keep_snapshots_days=0))
    for index in range(6):
        store.append("prompts", _prompts(*(f"{index}-{row}" for row in range(100))))
    store.compact()
    assert store.sql("select * from ducklake_snapshots('lake')").height == 1
    assert store.sql("select prompt_id from prompts").height == 600
    assert len(list((tmp_path / "data").rglob("prompts/*.parquet"))) == 1
    close_stores()


def test_a_store_that_cannot_be_opened_or_read_says_which(
    tmp_path: Path, store_folder: Path
) -> None:
    (tmp_path / "catalog.sqlite").write_text("not a database" * 100, encoding="utf-8")
    with pytest.raises(
        StoreError, match=r"catalog\.sqlite: this store cannot be opened: .*not a d"
    ):
        open_store(_settings(tmp_path))
    with pytest.raises(StoreError, match="the store's folder cannot be made"):
        open_store(_settings(tmp_path / "catalog.sqlite" / "inside"))

    store = open_store(_settings(store_folder))
    store.append("prompts", _prompts(*map(str, range(100))))
    close_stores()
    for file in (store_folder / "data").rglob("prompts/*.parquet"):
        file.unlink()
    store = open_store(_settings(store_folder))
    with pytest.raises(StoreError, match=r"the store cannot be read: .*\.parquet"):
        store.sql("select prompt_id from prompts")
    with pytest.raises(StoreError, match="the store cannot be read"):
        next(store.stream("select_prompt_texts", 10))
    close_stores()


def test_closing_lets_go_of_the_catalog(store_folder: Path) -> None:
    store = open_store(_settings(store_folder))
    store.append("prompts", _prompts("a"))
    del store
    close_stores()
    assert sorted(file.name for file in store_folder.iterdir()) == ["catalog.sqlite", "data"]


def test_what_breaks_while_rows_are_streamed_is_said_plainly(
    store_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = store_module._read_query
    monkeypatch.setattr(
        store_module,
        "_read_query",
        lambda name: "select prompt_id from prompts" if name == "all" else read(name),
    )
    store = open_store(_settings(store_folder))
    names = [f"{row:032x}" for row in range(50_000)]
    store.append("prompts", _prompts(*names))
    streamed = store.stream("all", 1_000)
    assert next(streamed).height == 1_000
    with pytest.raises(OSError, match="mine"):  # What a reader does with the rows is its own.
        for _ in store.stream("all", 1_000):
            raise OSError("mine")
    streamed.close()
    (file,) = (store_folder / "data").rglob("prompts/*.parquet")
    content = file.read_bytes()
    middle = len(content) // 2
    file.write_bytes(content[:middle] + bytes(2_000) + content[middle + 2_000 :])
    close_stores()
    store = open_store(_settings(store_folder))
    with pytest.raises(StoreError, match=r"the store cannot be read: .*Failed to read"):
        list(store.stream("all", 1_000))
    with pytest.raises(StoreError, match=r"the store cannot be read: .*Failed to read"):
        store.sql("select prompt_id from prompts")
    close_stores()


@pytest.mark.slow
def test_a_store_is_open_with_one_set_of_settings(store_folder: Path) -> None:
    store = open_store(_settings(store_folder))
    assert open_store(_settings(store_folder)) is store
    for other in ({"keep_snapshots_days": 1}, {"data": str(store_folder / "elsewhere")}):
        with pytest.raises(StoreError, match="has the store open with other settings"):
            open_store(_settings(store_folder, **other))
    close_stores()
    assert (
        open_store(_settings(store_folder, keep_snapshots_days=1)).settings.keep_snapshots_days == 1
    )
    close_stores()
