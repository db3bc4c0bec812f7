"""The store: does it open, is it of this version, is every file there, what was left behind."""

import socket
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import duckdb

from cli.doctor.finding import Finding
from cli.processes import is_alive
from cli.reading import open_reader, read_rows
from tasks.errors import StoreError
from tasks.lake.data_files import absolute, is_old, pattern_below, place
from tasks.lake.migrations import find_missing_migrations
from tasks.lake.place import data_path, is_postgres, local_folder
from tasks.recipe import Recipe, StoreSettings

AREA = "store"
RESTORE = "restore them from a backup (docs/operations.md)"
_MANY_FILES, _SMALL = 500, 2**20
_SHOWN = 3
_finding = partial(Finding, AREA)


def check_store(recipe: Recipe) -> Iterator[Finding]:
    """Yield what is found out about the store, read-only, also beside a run."""
    settings = recipe.store
    if not is_postgres(settings) and not Path(settings.catalog).exists():
        yield _finding("catalog", "ok", f"{settings.catalog}: not made yet; `teachset run` does")
        return
    try:
        with open_reader(settings) as connection:
            yield _finding("catalog", "ok", f"{settings.catalog} opens")
            yield check_schema(connection, settings)
            yield from check_files(connection, settings)
            yield from check_runs(connection)
            yield check_batches(connection)
            yield check_tallies(connection)
    except (StoreError, duckdb.Error) as error:
        mend = "if it is damaged, restore it from a backup (docs/operations.md)"
        yield _finding("catalog", "problem", str(error).splitlines()[0], mend)
    yield from check_journal(local_folder(settings) / "journal")


def check_schema(connection: duckdb.DuckDBPyConnection, settings: StoreSettings) -> Finding:
    """Say whether the tables are those that this Teachset knows."""
    done = [number for (number,) in connection.execute("select number from migrations").fetchall()]
    try:
        missing = find_missing_migrations(settings, done)
    except StoreError as error:
        return _finding("schema", "problem", str(error), "install the newer Teachset")
    if missing:
        found = f"{len(missing)} migration(s) behind, next {missing[0].stem}"
        return _finding("schema", "warning", found, "the next `teachset run` applies them")
    return _finding("schema", "ok", f"at migration {max(done)}")


def check_tallies(connection: duckdb.DuckDBPyConnection) -> Finding:
    """Say whether what is counted as rows come in is what a count of all of them gives."""
    try:
        wrong = read_rows(connection, "tallies_wrong")
    except (StoreError, duckdb.Error) as error:
        found = f"cannot be compared with the rows: {str(error).splitlines()[0]}"
        return _finding("tallies", "warning", found, "mend what is said above first")
    if not wrong:
        return _finding("tallies", "ok", "funnel and difficulty are what a count of the rows gives")
    shown = ", ".join(f"{row['what']} in {row['domain']}" for row in wrong[:_SHOWN])
    found = f"{len(wrong)} not what a count of the rows gives: {shown}"
    return _finding("tallies", "problem", found, "`teachset tidy` counts them anew")


def check_files(
    connection: duckdb.DuckDBPyConnection, settings: StoreSettings
) -> Iterator[Finding]:
    """Yield whether what the catalog names is there whole, what nobody names, and how many."""
    folder = data_path(settings)
    known = read_rows(connection, "lake_files")
    there = {absolute(row["path"]): row for row in _list_files(connection, folder)}
    named = {place(folder, row): row for row in known}
    yield _check_presence(named, there)
    orphans = [
        row for path, row in there.items() if path not in named and is_old(row["last_modified"])
    ]
    if orphans:
        size = sum(int(row["size"]) for row in orphans)
        found = (
            f"{len(orphans):,} files in {folder} that no snapshot names ({size / 2**20:,.1f} MB)"
        )
        mend = "`teachset tidy` removes them"
        if settings.data is not None:
            mend = "if no other store has its files there, `teachset tidy --orphans` removes them"
        yield _finding("orphans", "warning", found, mend)
    else:
        yield _finding("orphans", "ok", "no file that no snapshot names")
    current = [int(row["size"]) for row in known if row["current"]]
    if len(current) > _MANY_FILES and sum(current) < len(current) * _SMALL:
        found = f"{len(current):,} small files: queries open each of them"
        yield _finding("size", "warning", found, "`teachset tidy` merges them")
    else:
        total = sum(int(row["size"]) for row in there.values())
        yield _finding("size", "ok", f"{total / 2**20:,.1f} MB in {len(there):,} files")


def check_runs(connection: duckdb.DuckDBPyConnection) -> Iterator[Finding]:
    """Yield the run that writes now, or that ended without being able to say so."""
    for row in read_rows(connection, "runs_open"):
        here = row["host"] == socket.gethostname()
        said = f"run {row['run_id']} ({row['flow']}, process {row['process_id']} on {row['host']})"
        if here and not is_alive(row["process_id"]):
            mend = "`teachset run` closes it and goes on where it was"
            yield _finding("run", "warning", f"{said} was ended from outside", mend)
        else:
            yield _finding("run", "ok", f"{said} is going on since {row['started_at']:%F %T %Z}")


def check_batches(connection: duckdb.DuckDBPyConnection) -> Finding:
    """Say which batches a provider still works on, or whose answers were not fetched."""
    (batches, requests) = connection.execute(
        "select count(*), coalesce(sum(requests), 0) from current_batches where not is_over"
    ).fetchall()[0]
    if not batches:
        return _finding("batches", "ok", "none is under way")
    mend = "`teachset run` fetches what is ready; sql/adhoc/batches.sql lists them"
    return _finding("batches", "warning", f"{batches} not over, {requests:,} requests", mend)


def check_journal(folder: Path) -> Iterator[Finding]:
    """Yield answers that arrived and are not in the store yet."""
    waiting, unreadable = sorted(folder.glob("*.jsonl")), sorted(folder.glob("*.unreadable"))
    if unreadable:
        found = f"{len(unreadable)} segment(s) with lines that cannot be read: {unreadable[0]}"
        mend = "look at them: what could be read is in the store; then move them away"
        yield _finding("journal", "warning", found, mend)
    if waiting:
        found = f"{len(waiting)} segment(s) of answers that are not in the store yet"
        mend = "while a run goes on that is as it should be; else the next `teachset run` adds them"
        yield _finding("journal", "warning", found, mend)
    if not waiting and not unreadable:
        yield _finding("journal", "ok", "every answer that arrived is in the store")


def _check_presence(
    named: Mapping[str, Mapping[str, Any]], there: Mapping[str, Mapping[str, Any]]
) -> Finding:
    """Say which files of the current snapshot are missing or cut short."""
    current = {path: row for path, row in named.items() if row["current"]}
    missing = [path for path in current if path not in there]
    cut = [
        path for path, row in current.items() if path in there and there[path]["size"] < row["size"]
    ]
    if not missing and not cut:
        return _finding("files", "ok", f"all {len(current):,} data files are there")
    found = f"{len(missing)} missing, {len(cut)} cut short of {len(current):,} data files: "
    tables = sorted({str(current[path]["table_name"]) for path in (*missing, *cut)})
    shown = ", ".join([*missing, *cut][:_SHOWN])
    return _finding("files", "problem", f"{found}{shown} (of {', '.join(tables)})", RESTORE)


def _list_files(connection: duckdb.DuckDBPyConnection, folder: str) -> Sequence[Mapping[str, Any]]:
    pattern = pattern_below(folder)
    if not connection.execute(
        "select 1 from glob($pattern) limit 1", {"pattern": pattern}
    ).fetchall():
        return []
    return read_rows(connection, "lake_files_there", pattern=pattern)
