"""`teachset snapshot FILE`: the whole store as one plain DuckDB file that any tool opens."""

from pathlib import Path

import duckdb

from cli.project import find_store
from cli.reading import open_reader
from tasks.errors import InputError, StoreError
from tasks.lake.place import LAKE, quote


def take_snapshot(target: Path, recipe: Path | None, *, force: bool) -> int:
    """Write all tables and views to a file, whole or not at all; return how many rows there are.

    They are all of one moment, also while a run is writing. Raises InputError if the file is there
    already, StoreError if it cannot be written.
    """
    if target.exists() and not force:
        raise InputError(f"{target}: is there already; --force replaces it")
    if not target.parent.is_dir():
        raise InputError(f"{target.parent}: there is no such folder")
    partial = target.with_name(f".{target.name}.partial")
    with open_reader(find_store(recipe)) as connection:
        try:
            partial.unlink(missing_ok=True)
            rows = copy_store(connection, partial)
            partial.replace(target)
        except (OSError, duckdb.Error) as error:
            raise StoreError(f"{target}: the snapshot cannot be written: {error}") from error
        finally:
            partial.unlink(missing_ok=True)
            partial.with_name(partial.name + ".wal").unlink(missing_ok=True)
    return rows


def copy_store(connection: duckdb.DuckDBPyConnection, target: Path) -> int:
    """Copy tables and views into a new DuckDB file in one transaction, then let go of the file."""
    connection.execute(f"attach {quote(str(target))} as snapshot")
    connection.execute("begin")
    connection.execute(f"copy from database {LAKE} to snapshot")
    connection.execute("commit")
    connection.execute("use snapshot")
    tables = connection.execute(
        "select table_name from duckdb_tables() where database_name = 'snapshot'"
    ).fetchall()
    counts = [
        connection.execute(f'select count(*) from "{table}"').fetchall()[0][0]
        for (table,) in tables
    ]
    connection.execute(f"use {LAKE}")
    connection.execute("detach snapshot")
    return int(sum(counts))
