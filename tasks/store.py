"""The store: one DuckLake (Parquet files and a catalog) per project, and the only way into it.

    store = open_store(StoreSettings(catalog="store/catalog.sqlite"))
    store.append("prompts", frame)      # rows whose id is new; returns how many were
    store.query("pending_samples", role="student")   # sql/queries/pending_samples.sql, bound

DuckLake has no primary keys: ids are content hashes and `append` leaves out rows that are there.
Readers never block a writer nor a writer its readers; two writers in different processes conflict
at the commit, which is tried again.
"""

import atexit
import os
import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from tasks.errors import StoreError
from tasks.lake.conflicts import explaining_reads, explaining_writes, retry_conflicts, transaction
from tasks.lake.migrations import apply_migrations
from tasks.lake.place import (
    LAKE,
    ONE_THREAD_BYTES,
    SQL_FOLDER,
    attach_statement,
    connect_duckdb,
    extensions_of,
    find_neighbours,
    is_postgres,
    refuse_absent,
)
from tasks.lake.tallies import TALLIED, recount_tallies, tally_touched, touch_changed
from tasks.recipe import StoreSettings
from tasks.threads import declared_threads

UNIQUE: Mapping[str, tuple[str, ...]] = {
    "prompts": ("prompt_id",),
    "prompt_sources": ("prompt_id", "uri", "row_number"),
    "quarantine": ("quarantine_id",),
    "benchmark_items": ("item_id",),
    "responses": ("response_id",),
    "failures": ("response_id", "run_id", "failure_id"),
    "rewrites": ("response_id", "acceptance"),
    "routes": ("prompt_id", "version", "response_id"),
    "grades": ("response_id", "key_id", "verifier", "version", "attempt"),
    "signatures": ("prompt_id", "sketch"),
    "screened": ("text_id", "screen"),
    "releases": ("release_id",),
    "release_pairs": ("release_id", "pair_id"),
    "release_preferences": ("release_id", "prompt_id"),
    "runs": ("run_id",),
    "batches": ("batch_id",),
    "batch_requests": ("batch_id", "response_id"),
    "batch_states": ("batch_id", "state"),
    "batch_retries": ("batch_id", "response_id"),
    "gates": ("gate_id",),
    "publications": ("publication_id",),
    "embeddings": ("text_id", "embedder"),
    "near_items": ("prompt_id", "item_id", "screen"),
    "comparisons": ("prompt_id", "item_id", "screen"),
    "neighbours": ("prompt_id", "other_id", "embedder"),
    "text_faults": ("response_id", "rules"),
    "loads": ("run_id", "purpose"),
    "ratings": ("rating_id",),
    "read_files": ("file_id",),
    "settled": ("stage", "settings", "snapshot"),
}
LATEST: Mapping[str, tuple[str, ...]] = {
    "difficulty": ("prompt_id", "student"),
    "decisions": ("policy", "prompt_id"),
    "duplicates": ("prompt_id", "method"),
    "contamination": ("prompt_id", "response_id", "item_id", "method"),
    "guards": ("benchmark", "method"),
    "audits": ("audit", "benchmark", "disguise", "method"),
    "keys": ("prompt_id",),
    "votes": ("prompt_id", "voter"),
    "key_shares": ("domain",),
    "reviews": ("prompt_id",),
    "objections": ("prompt_id", "response_id", "source"),
    "kin": ("root_id",),
    "in_force": ("what", "recipe"),
    "forms": ("role", "model", "domain", "answer_type"),
    "seed_files": ("uri",),
    "source_words": ("prompt_id", "uri", "row_number"),
    "removals": ("root_id",),
    "mended_answers": ("prompt_id",),
}
BOOKKEEPING = ("run_id", "created_at")
ROW_GROUP = 20_480
MOST_RECALLED_BYTES = 8_000_000
BY_THE_CLOCK = ("batches",)  # Their server's own moments are compared with it.


class Store:
    """One open DuckLake. Safe to share between threads; every thread gets a cursor of its own.

    What is appended to a table that `instead` names goes into that one, and is read by a view; such
    a store is a file in the place of a lake, and has no snapshots.
    """

    def __init__(
        self,
        settings: StoreSettings,
        connection: duckdb.DuckDBPyConnection,
        instead: Mapping[str, str] | None = None,
    ) -> None:
        self.settings = settings
        self._has_snapshots = instead is None
        self._instead = {} if instead is None else instead
        self._connection = connection
        self._local = threading.local()
        self._writing = threading.RLock()
        self._telling = threading.Lock()
        self._newest: datetime | None = None
        self._columns: dict[str, dict[str, str]] = {}
        self._recalled: dict[str, tuple[int, Mapping[str, Any], pl.DataFrame]] = {}
        self._noted: dict[int, set[str]] = {}

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return this thread's cursor, with the lake as its default catalog."""
        cursor: duckdb.DuckDBPyConnection | None = getattr(self._local, "cursor", None)
        if cursor is None:
            cursor = self._connection.cursor()
            cursor.execute(f"use {LAKE}")
            self._local.cursor = cursor
        return cursor

    def sql(self, statement: str, parameters: Mapping[str, Any] | None = None) -> pl.DataFrame:
        """Run one statement with bound parameters and return its rows."""
        self._note(statement)
        with explaining_reads():
            return self.cursor().execute(statement, dict(parameters or {})).pl()

    def query(self, name: str, **parameters: Any) -> pl.DataFrame:
        """Run `sql/queries/<name>.sql` with its parameters bound and return its rows."""
        return self.sql(_read_query(name), parameters)

    def recall(self, name: str, **parameters: Any) -> pl.DataFrame:
        """Return the same as `query`; from memory if it was asked last since anybody's last commit.

        For what several stages ask of all there is: in a night with nothing new it is read once.
        A large answer is not kept.
        """
        if not self._has_snapshots:
            return self.query(name, **parameters)
        self._note(_read_query(name))
        snapshot = int(self.sql(f"select id from {LAKE}.current_snapshot()")["id"][0])
        known = self._recalled.get(name)
        if known is not None and known[:2] == (snapshot, parameters):
            return known[2]
        rows = self.query(name, **parameters)
        # Read after the snapshot was: an answer may be newer than its number says, never older.
        if rows.estimated_size() <= MOST_RECALLED_BYTES:
            self._recalled[name] = (snapshot, parameters, rows)
        return rows

    def stream(self, name: str, rows: int, **parameters: Any) -> Generator[pl.DataFrame]:
        """Run a named query and yield its rows in frames of about `rows`, memory bounded."""
        self._note(_read_query(name))
        cursor = self._connection.cursor()
        cursor.execute(f"use {LAKE}")
        try:
            with explaining_reads():
                reader = cursor.execute(_read_query(name), parameters).to_arrow_reader(rows)
            while True:
                with explaining_reads():  # Not what the caller does with a frame.
                    batch = next(reader, None)
                if batch is None:
                    return
                if batch.num_rows:
                    frame = pl.from_arrow(batch)
                    assert isinstance(frame, pl.DataFrame)
                    yield frame
        finally:
            cursor.close()

    def append(
        self,
        table: str,
        rows: pl.DataFrame,
        *,
        run_id: str | None = None,
        known_new: bool = False,
    ) -> int:
        """Add the rows that the table does not have yet, durably, and return how many there were.

        A row is there if its unique columns are (`UNIQUE`) or, for tables that keep every word
        ever said (`LATEST`), if the last word on its key is the same. Columns that `rows` lacks
        are null; `created_at` and `run_id` are filled in. With `known_new` the caller has looked
        already. Raises StoreError if it cannot be written.
        """
        self._note(table)
        if rows.is_empty():
            return 0
        columns = self.columns(table)
        rows = rows.with_columns(
            pl.lit(None).alias(name) for name in UNIQUE.get(table, ()) if name not in rows.columns
        )
        if unknown := [name for name in rows.columns if name not in columns]:
            raise ValueError(f"{table} has no column {unknown[0]}")
        stamps: dict[str, Any] = {
            "created_at": datetime.now(UTC) if table in BY_THE_CLOCK else self.moment()
        }
        if run_id is not None:
            stamps["run_id"] = run_id
        rows = rows.with_columns(
            pl.lit(value).alias(name) for name, value in stamps.items() if name in columns
        )
        key = [name for name in LATEST.get(table) or UNIQUE[table] if name in rows.columns]
        rows = rows.unique(key, keep="last" if table in LATEST else "first", maintain_order=True)
        names, into = ", ".join(rows.columns), self._instead.get(table, table)
        if table in UNIQUE:
            compared, there = UNIQUE[table], table
        else:
            compared = tuple(name for name in rows.columns if name not in BOOKKEEPING)
            there = f"current_{table}"
        same = " and ".join(f"old.{name} is not distinct from new.{name}" for name in compared)
        if table in TALLIED:
            absent = {name: columns[name] for name in columns if name not in rows.columns}
            insert = (
                f"insert into {into} by name "
                f"select {names} from incoming semi join touched using ({', '.join(key)})"
            )
            return self._insert_tallied(
                table, touch_changed(table, key, same, absent), insert, rows
            )
        new = "" if known_new else f" where not exists (select 1 from {there} as old where {same})"
        return self._insert(
            f"insert into {into} by name select {names} from incoming as new{new}", rows
        )

    def moment(self) -> datetime:
        """Return now or, where a clock was set back or another host's is ahead, a later moment.

        Of two words on a thing the later one counts, so none may look older than one before it.
        """
        with self._telling:
            if self._newest is None:
                self._newest = self._read_newest()
            self._newest = max(datetime.now(UTC), self._newest + timedelta(microseconds=1))
            return self._newest

    def begin_after(self, moment: datetime) -> None:
        """Let no moment that is given from now on be earlier than this one."""
        with self._telling:
            self._newest = moment if self._newest is None else max(self._newest, moment)

    def _read_newest(self) -> datetime:
        """Return a moment after which the store has nothing; a store without snapshots is told."""
        newest = None
        if self._has_snapshots:  # Nobody has asked for it, so no stage is noted to depend on it.
            newest = self.cursor().execute(_read_query("store_newest_moment")).pl()["newest"][0]
        return datetime.fromtimestamp(0, UTC) if newest is None else newest.astimezone(UTC)

    def execute(self, statement: str, parameters: Mapping[str, Any] | None = None) -> None:
        """Run one statement that changes the store, retrying while another process commits."""
        self._note(statement)
        with self._writing, explaining_writes():
            retry_conflicts(self.cursor().execute)(statement, dict(parameters or {}))

    @contextmanager
    def noting(self) -> Iterator[set[str]]:
        """Note, while the block runs, what anybody asks this store: statements, tables added to."""
        asked: set[str] = set()
        self._noted[id(asked)] = asked
        try:
            yield asked
        finally:
            del self._noted[id(asked)]

    def columns(self, table: str) -> dict[str, str]:
        """Return a table's columns and their types, in order."""
        if table not in self._columns:
            described = self.sql(f"select column_name, column_type from (describe table {table})")
            self._columns[table] = dict(described.iter_rows())
        return self._columns[table]

    def compact(self) -> None:
        """Write rows that the catalog keeps to files, merge the small ones, leave out what is
        deleted and let old snapshots expire; nothing readable changes.

        A reader may hold an older snapshot open: files it needs stay until the snapshot expires.
        """
        days = self.settings.keep_snapshots_days
        self.execute(f"call ducklake_flush_inlined_data('{LAKE}')")
        # A file of which a row was deleted is merged with no other one.
        for (table,) in self.query("lake_deleted", most_bytes=ONE_THREAD_BYTES).iter_rows():
            rewrite = f"call ducklake_rewrite_data_files('{LAKE}', $table, delete_threshold => 0)"
            self.execute(rewrite, {"table": table})
        self.execute(f"call ducklake_merge_adjacent_files('{LAKE}')")
        for function in ("ducklake_expire_snapshots", "ducklake_cleanup_old_files"):
            self.execute(
                f"call {function}('{LAKE}', older_than => now() - to_milliseconds($milliseconds))",
                {"milliseconds": int(days * 86_400_000)},
            )

    def recount(self) -> None:
        """Count the tallies anew: their rows become few, and true if somebody changed the store."""
        for table in TALLIED:
            with self._writing, explaining_writes():
                retry_conflicts(recount_tallies)(self.cursor(), table, LATEST[table])

    def fit_threads(self) -> None:
        """Read a small store with one thread, a large one with all that there are.

        Most queries of a small store take longer to plan than to run, and threads that only wait
        for each other double the processor time. TEACHSET_THREADS has the last word.
        """
        if declared_threads() is not None:
            return
        size = int(self.query("lake_size")["bytes"][0])
        self.cursor().execute("reset threads" if size > ONE_THREAD_BYTES else "set threads = 1")

    def close(self) -> None:
        """Let go of the catalog. Closing twice is harmless."""
        self._connection.close()

    def _note(self, asked: str) -> None:
        for noted in list(self._noted.values()):
            noted.add(asked)

    def _insert(self, statement: str, rows: pl.DataFrame) -> int:
        """Run an insert that names the frame `incoming`, and return how many rows it added."""
        cursor = self.cursor()

        @retry_conflicts
        def insert() -> int:
            return _add(cursor, statement, rows)

        with self._writing, explaining_writes():
            return insert()

    def _insert_tallied(self, table: str, touch: str, statement: str, rows: pl.DataFrame) -> int:
        """Insert the rows that `touch` finds and move the table's tallies: both or neither."""
        cursor = self.cursor()

        @retry_conflicts
        def insert() -> int:
            with transaction(cursor):
                added = _add(cursor, touch, rows)
                if added:
                    _add(cursor, statement, rows)
                    tally_touched(cursor, table)
                cursor.execute("drop table touched")
            return added

        with self._writing, explaining_writes():
            return insert()


def _add(cursor: duckdb.DuckDBPyConnection, statement: str, rows: pl.DataFrame) -> int:
    """Run a statement that names the rows `incoming`, and return how many rows it made.

    DuckDB finds `incoming` among the variables here. To register a frame would be to make a view
    and to drop it: a transaction each in a lake, as long as the insert itself. A frame is taken
    through pyarrow's datasets, which import pandas; its stream is not. One is read once.
    """
    incoming = rows.__arrow_c_stream__()  # noqa: F841  what the statement names
    return int(cursor.execute(statement).fetchall()[0][0])


def open_store(settings: StoreSettings, *, migrate: bool = True) -> Store:
    """Open this process's store for the settings, made and migrated if need be.

    The same settings return the same object. Raises StoreError if it cannot be opened, is open
    with other settings, is newer than this code, or (with `migrate=False`) older or absent.
    """
    with _OPEN_LOCK:
        store = _OPEN.get(settings.catalog)
        if store is None:
            store = _open(settings, migrate=migrate)
            _OPEN[settings.catalog] = store
        elif store.settings != settings:
            raise StoreError(
                f"{settings.catalog}: this process has the store open with other settings "
                f"({store.settings!r}); close it first"
            )
        return store


def close_stores() -> None:
    """Close every store this process has open."""
    with _OPEN_LOCK:
        while _OPEN:
            _OPEN.popitem()[1].close()


def _open(settings: StoreSettings, *, migrate: bool) -> Store:
    if not is_postgres(settings):
        _prepare_folder(settings, create=migrate)
    connection = connect_duckdb(extensions_of(settings))
    try:
        retry_conflicts(connection.execute)(attach_statement(settings))
    except duckdb.Error as error:
        connection.close()
        if "does not match existing data path" in str(error):
            raise StoreError(
                f"{settings.catalog}: store.data names another folder than the one that this "
                f"store's files were written to: {error}"
            ) from error
        raise StoreError(f"{settings.catalog}: this store cannot be opened: {error}") from error
    store = Store(settings, connection)
    try:
        apply_migrations(store.cursor(), settings, apply=migrate)
        if migrate:
            _keep_row_groups_small(store)
        store.fit_threads()
    except BaseException:
        store.close()
        raise
    return store


def _keep_row_groups_small(store: Store) -> None:
    """Have Parquet written in row groups of `ROW_GROUP` rows from now on.

    It is read a group at a time and by every thread: at DuckDB's 122,880 rows of long answers that
    is gigabytes, and a range of ids reads all of a group for a few of its rows.
    """
    options = store.cursor().execute(f"select option_name from {LAKE}.options()").fetchall()
    if ("parquet_row_group_size",) not in options:
        store.execute(f"call {LAKE}.set_option('parquet_row_group_size', {ROW_GROUP})")


def _prepare_folder(settings: StoreSettings, *, create: bool) -> None:
    catalog = Path(settings.catalog)
    if not create:
        refuse_absent(settings)
    try:
        catalog.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{catalog.parent}: the store's folder cannot be made: {error}") from error
    if not os.access(catalog.parent, os.W_OK):
        raise StoreError(f"{catalog.parent}: the store's folder is read-only for this user")
    if not catalog.exists() and (neighbours := find_neighbours(settings)):
        raise StoreError(
            f"{catalog}: {neighbours[0].name} in this folder is the catalog of another store, and "
            "their files and journals would be mixed. Name a folder of its own in store.catalog."
        )


@cache
def _read_query(name: str) -> str:
    return (SQL_FOLDER / "queries" / f"{name}.sql").read_text(encoding="utf-8")


_OPEN: dict[str, Store] = {}
_OPEN_LOCK = threading.Lock()
atexit.register(close_stores)
