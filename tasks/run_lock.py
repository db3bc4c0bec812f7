"""The run lock: a store has one writer, on whatever host it runs.

    …/catalog.sqlite: another run is writing to this store (process 4711 on nightbox). Wait for it …

In a folder the lock is the operating system's; with a PostgreSQL catalog it is also that server's,
an advisory lock of the database, held by a connection of its own. Both are gone with their process,
however that ends.
"""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import asyncpg

from tasks.errors import StoreError
from tasks.lake.place import SQL_FOLDER, is_postgres, local_folder
from tasks.llm.loop import run_on_loop
from tasks.recipe import StoreSettings

_KEY = (7_324_837, 1)  # Ours among the advisory locks of a database: teachset's, of runs.
_PATIENCE_S = 20
# Nothing is said over this connection for hours; a router on the way must not forget it.
_KEPT_ALIVE = {"tcp_keepalives_idle": "60", "tcp_keepalives_interval": "15"}
_DOWN = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


@contextmanager
def only_writer(settings: StoreSettings) -> Iterator[None]:
    """Hold the store's lock for as long as the block runs. Raises StoreError if somebody has it."""
    with _only_on_this_host(settings):
        if not is_postgres(settings):
            yield
            return
        with _only_in_the_database(settings):
            yield


@contextmanager
def _only_on_this_host(settings: StoreSettings) -> Iterator[None]:
    file = _lock_file(settings)
    try:
        handle = file.open("a+", encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{file}: the store's folder cannot be written: {error}") from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _refusal(settings, _holder(handle)) from None
        except OSError as error:
            raise StoreError(f"{file}: this folder's files cannot be locked: {error}") from error
        handle.truncate(0)
        handle.write(_name())
        handle.flush()
        yield


@contextmanager
def _only_in_the_database(settings: StoreSettings) -> Iterator[None]:
    try:
        connection = run_on_loop(_connect(settings.catalog))
    except _DOWN as error:
        reason = f"{type(error).__name__}: {error}"
        raise StoreError(f"{settings.catalog}: the run lock cannot be taken: {reason}") from error
    try:
        if not run_on_loop(connection.fetchval("select pg_try_advisory_lock($1, $2)", *_KEY)):
            statement = (SQL_FOLDER / "postgres" / "run_lock_holder.sql").read_text("utf-8")
            held_by = run_on_loop(connection.fetch(statement, *_KEY))
            raise _refusal(settings, ", ".join(row["holder"] for row in held_by))
        yield
    finally:
        connection.terminate()


async def _connect(catalog: str) -> "asyncpg.Connection":
    return await asyncpg.connect(
        catalog,
        timeout=_PATIENCE_S,
        server_settings={"application_name": _name()[:63], **_KEPT_ALIVE},
    )


def _refusal(settings: StoreSettings, holder: str) -> StoreError:
    return StoreError(
        f"{settings.catalog}: another run is writing to this store "
        f"({holder or 'unknown process'}). "
        "Wait for it or stop it; two at once would pay for the same calls twice."
    )


def _name() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}"


def _lock_file(settings: StoreSettings) -> Path:
    folder = local_folder(settings)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{folder}: this folder cannot be made: {error}") from error
    return folder / "run.lock"


def _holder(handle: IO[str]) -> str:
    handle.seek(0)
    return handle.read().strip()
