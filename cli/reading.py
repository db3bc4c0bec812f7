"""Reading a store from outside: an own DuckDB, attached read-only, that disturbs no run.

with open_reader(recipe.store) as connection:
    connection.sql("select count(*) from prompts")
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import duckdb

from tasks.errors import StoreError
from tasks.lake.place import (
    LAKE,
    ONE_THREAD_BYTES,
    SQL_FOLDER,
    StorePlace,
    attach_statement,
    connect_duckdb,
    data_path,
    extensions_of,
    refuse_absent,
)


@contextmanager
def open_reader(settings: StorePlace, *extensions: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """Attach the store read-only to a fresh DuckDB, which may have more extensions than it needs.

    Half of the cores are left to the run that may be under way; TEACHSET_THREADS has the last word.
    Raises StoreError if it is not there.
    """
    threads = 1 if is_small(settings) else max(1, (os.cpu_count() or 1) // 2)
    connection = connect_duckdb([*extensions_of(settings), *extensions], threads)
    try:
        attach(connection, settings)
        yield connection
    finally:
        connection.close()


def is_small(settings: StorePlace) -> bool:
    """Say whether the files of a store lie here and one thread reads them as soon as several.

    Most queries of such a store take longer to plan than to run, and threads that wait for each
    other take time from the run that is under way.
    """
    place, size = data_path(settings), 0
    if "://" in place:
        return False
    for folder, _, files in os.walk(place):
        for file in files:
            with suppress(FileNotFoundError):  # A run may be tidying.
                size += os.stat(os.path.join(folder, file)).st_size
        if size > ONE_THREAD_BYTES:
            return False
    return True


def attach(connection: duckdb.DuckDBPyConnection, settings: StorePlace) -> None:
    """Attach the store read-only and make it the default catalog."""
    refuse_absent(settings)
    try:
        connection.execute(attach_statement(settings, read_only=True))
        connection.execute(f"use {LAKE}")
    except duckdb.Error as error:
        raise StoreError(f"{settings.catalog}: this store cannot be read: {error}") from error


def read_rows(
    connection: duckdb.DuckDBPyConnection, name: str, **parameters: Any
) -> list[dict[str, Any]]:
    """Run `sql/queries/<name>.sql` on a reader and return its rows as dictionaries."""
    statement = (SQL_FOLDER / "queries" / f"{name}.sql").read_text(encoding="utf-8")
    try:
        result = connection.execute(statement, parameters)
        names = [str(column[0]) for column in result.description or []]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]
    except duckdb.CatalogException as error:
        raise StoreError(
            f"this store lacks what `{name}` reads, it is older than this Teachset; "
            f"the next `teachset run` brings it up to date: {error}"
        ) from error
