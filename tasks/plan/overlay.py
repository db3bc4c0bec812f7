"""Overlay: a store to try things out on; it reads the project's store and writes beside it.

    with open_overlay(recipe.store) as overlay:
        ingest_seeds(overlay.store, recipe, "plan")   # nobody will ever know

It is a temporary file with the store's small tables, as they were at one moment, and in the place
of a large one a view of the store's rows and of those that are added. Without a store it is empty.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from tasks.errors import StoreError
from tasks.lake.migrations import apply_migrations, find_missing_migrations
from tasks.lake.place import (
    LAKE,
    attach_statement,
    connect_duckdb,
    extensions_of,
    is_postgres,
    local_folder,
)
from tasks.llm.columns import frame_of
from tasks.llm.journal import read_segment
from tasks.recipe import StoreSettings
from tasks.store import Store

COPIED_BYTES = 32 << 20  # A smaller table is copied: fifty questions to a lake take 2 s longer.
_UNREAD = ("migrations",)
_SELDOM_READ = ("prompt_sources", "quarantine")  # Where a file changed, or has tests of code.
_PAST = "past"
_ADDED = "added_"
_ABSENT = "Existing DuckLake"  # DuckLake's words for a catalog that no store was made in yet.


@dataclass(frozen=True, slots=True)
class Overlay:
    """A store to try things out on, and whether there is one below it."""

    store: Store
    is_new: bool


@contextmanager
def open_overlay(settings: StoreSettings) -> Iterator[Overlay]:
    """Open an overlay of the store. Raises StoreError if the store is of another version.

    What a run has paid for and not yet committed is read from its journal.
    """
    with tempfile.TemporaryDirectory(prefix="teachset-plan-") as folder:
        connection = connect_duckdb(extensions_of(settings))
        try:
            is_new = not _attach_past(connection, settings)
            connection.execute(f"attach '{folder}/overlay.duckdb' as {LAKE}")
            instead: dict[str, str] = {}
            store = Store(settings, connection, instead)
            apply_migrations(store.cursor(), settings)
            if not is_new:
                instead.update(_lay_over(store.cursor()))
                store.begin_after(_newest_moment(store.cursor()))
                _read_journal(store)
            yield Overlay(store, is_new)
        finally:
            connection.close()


def _attach_past(connection: duckdb.DuckDBPyConnection, settings: StoreSettings) -> bool:
    """Attach the project's store, read-only and at one moment; False if there is none."""
    if not is_postgres(settings) and _is_empty(Path(settings.catalog)):
        return False
    try:
        connection.execute(attach_statement(settings, read_only=True, name=_PAST))
        newest = f"select max(snapshot_id) from ducklake_snapshots('{_PAST}')"
        ((snapshot,),) = connection.execute(newest).fetchall()
        connection.execute(f"detach {_PAST}")
        pinned = attach_statement(settings, read_only=True, name=_PAST, snapshot=snapshot)
        connection.execute(pinned)
        done = f"select number from {_PAST}.migrations"
        numbers = [int(number) for (number,) in connection.execute(done).fetchall()]
    except duckdb.CatalogException:
        numbers = []
    except duckdb.Error as error:
        if _ABSENT in str(error):
            return False
        raise StoreError(f"{settings.catalog}: this store cannot be read: {error}") from error
    if missing := find_missing_migrations(settings, numbers):
        raise StoreError(
            f"{settings.catalog}: this store is older than this Teachset, it needs migration "
            f"{missing[0].stem}. `teachset stage ingest` applies it and makes no call."
        )
    return True


def _is_empty(catalog: Path) -> bool:
    """A run that was stopped at its very start may leave a catalog without a byte."""
    return not catalog.exists() or catalog.stat().st_size == 0


def _lay_over(cursor: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Copy the past's small tables, put a view in the place of a large one; return what takes the
    new rows of those."""
    instead = {}
    cursor.execute("begin")  # Within one transaction the lake reads its catalog only once.
    tables = cursor.execute(
        f"select table_name, coalesce(file_size_bytes, 0) from ducklake_table_info('{_PAST}')"
    ).fetchall()
    for table, size in tables:
        if table in _UNREAD:
            continue
        if size < COPIED_BYTES and table not in _SELDOM_READ:
            cursor.execute(f"insert into {table} by name from {_PAST}.{table}")
            continue
        instead[table] = f"{_ADDED}{table}"
        cursor.execute(f"alter table {table} rename to {instead[table]}")
        both = f"from {_PAST}.{table} union all by name from {instead[table]}"
        cursor.execute(f"create view {table} as {both}")
    cursor.execute("commit")
    return instead


def _newest_moment(cursor: duckdb.DuckDBPyConnection) -> datetime:
    """Return a moment that no row of the past is later than, as store_newest_moment.sql does."""
    newest: datetime = cursor.execute(
        f"select greatest((select max(snapshot_time) from ducklake_snapshots('{_PAST}')), "
        f"(select max(started_at) + interval 1 second from {_PAST}.runs)) as newest"
    ).pl()["newest"][0]
    return newest.astimezone(UTC)


def _read_journal(store: Store) -> None:
    """Add the answers that are written down and not committed; a living run may be faster."""
    for path in sorted((local_folder(store.settings) / "journal").glob("*.jsonl")):
        with suppress(FileNotFoundError):
            for (table, run_id), rows in read_segment(path).rows.items():
                store.append(table, frame_of(table, rows), run_id=run_id)
