"""The lake that a store is in: where it lies, and a DuckDB that can attach it.

    attach 'ducklake:sqlite:store/catalog.sqlite' as lake (data_path 'store/data', …)

Kept light: a question to the store should not wait for anything that only runs need.
"""

import importlib.util
import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Protocol

import duckdb

from tasks.errors import StoreError
from tasks.identity import content_id
from tasks.lake.without_pandas import bind_first
from tasks.threads import declared_threads

SQL_FOLDER = Path(__file__).resolve().parents[2] / "sql"
LAKE = "lake"
ONE_THREAD_BYTES = 64_000_000  # Of Parquet: what one core reads in half a second.


class StorePlace(Protocol):
    """What says where a store lies: the recipe's section, or as much of it as is asked for."""

    @property
    def catalog(self) -> str: ...
    @property
    def data(self) -> str | None: ...


def attach_statement(
    settings: StorePlace,
    *,
    read_only: bool = False,
    name: str = LAKE,
    snapshot: int | None = None,
) -> str:
    """Return the `attach` statement of a store, for people who bring their own DuckDB.

    With a `snapshot` it stays as it was at that moment, whoever writes to it.
    """
    options = []
    if is_postgres(settings):
        catalog = "postgres:" + settings.catalog
    else:
        catalog = "sqlite:" + settings.catalog
        # In the default journal mode a reader blocks every writer; in WAL nobody blocks anybody.
        options += ["meta_journal_mode 'WAL'", "meta_busy_timeout 10000"]
    options.append(f"data_path {quote(data_path(settings))}")
    if settings.data is None:
        # The files lie beside the catalog; a store that was moved or mounted elsewhere still opens.
        options.append("override_data_path true")
    if read_only:
        options.append("read_only")
    if snapshot is not None:
        options.append(f"snapshot_version {snapshot}")
    return f"attach {quote('ducklake:' + catalog)} as {name} ({', '.join(options)})"


def data_path(settings: StorePlace) -> str:
    """Return where the Parquet files lie: as declared, or `data/` beside a SQLite catalog."""
    if settings.data:
        return settings.data
    if is_postgres(settings):
        raise StoreError("store.data: a PostgreSQL catalog needs a folder or object store for data")
    return str(Path(settings.catalog).parent / "data")


def is_absent(settings: StorePlace) -> bool:
    """Say whether there is no catalog; one on a server is asked only when attached."""
    return not is_postgres(settings) and not Path(settings.catalog).exists()


def refuse_absent(settings: StorePlace) -> None:
    """Raise StoreError if there is no catalog."""
    if is_absent(settings):
        raise StoreError(
            f"{settings.catalog}: there is no store here yet. Make it with `teachset run`."
        )


def find_neighbours(settings: StorePlace) -> list[Path]:
    """Return the catalogs of other stores that lie in the folder of this one's."""
    if is_postgres(settings):
        return []
    own = Path(settings.catalog)
    return [
        file
        for file in sorted(own.parent.glob("*"))
        if file.name != own.name and file.is_file() and _is_catalog(file)
    ]


def _is_catalog(file: Path) -> bool:
    asked = "select 1 from sqlite_master where name = 'ducklake_metadata'"
    with suppress(OSError, sqlite3.Error):  # What cannot be read is no store of ours.
        with file.open("rb") as opened:
            if opened.read(16) != b"SQLite format 3\0":
                return False
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as database:
            return database.execute(asked).fetchone() is not None
    return False


def local_folder(settings: StorePlace) -> Path:
    """Return this host's folder for a store's lock and journal: beside a SQLite catalog, else in
    the user's state folder."""
    if not is_postgres(settings):
        return Path(settings.catalog).parent
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state")
    return state / "teachset" / content_id(settings.catalog)


def extensions_of(settings: StorePlace) -> list[str]:
    """Return the DuckDB extensions that this store needs."""
    extensions = ["ducklake", "postgres_scanner" if is_postgres(settings) else "sqlite_scanner"]
    return [*extensions, "httpfs"] if "://" in data_path(settings) else extensions


def is_postgres(settings: StorePlace) -> bool:
    """Say whether the catalog is a PostgreSQL database."""
    return settings.catalog.startswith(("postgres://", "postgresql://"))


def connect_duckdb(
    extensions: Sequence[str] = ("ducklake", "sqlite_scanner"),
    threads: int | None = None,
) -> duckdb.DuckDBPyConnection:
    """Open an in-memory DuckDB with the extensions loaded from the wheels they came in.

    Nothing is downloaded where a wheel is installed; elsewhere DuckDB's own repository is asked.
    It takes all cores unless it is told how many `threads`; TEACHSET_THREADS has the last word.
    """
    binaries = {extension: find_extension(extension) for extension in extensions}
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false"
    }
    if all(binaries.values()):
        # The installer has checked the wheels; checking their 70 MB again takes half a second.
        config["allow_unsigned_extensions"] = "true"
    if threads is not None:
        config["threads"] = threads
    if (declared := declared_threads()) is not None:
        config["threads"] = declared
    connection = duckdb.connect(config=config)
    bind_first(connection)
    for extension in extensions:
        load_extension(connection, extension)
    return connection


def load_extension(connection: duckdb.DuckDBPyConnection, extension: str) -> None:
    """Load one extension into a connection. Raises StoreError if there is no way to get it."""
    binary = find_extension(extension)
    try:
        if binary is not None:
            connection.execute(f"load {quote(str(binary))}")
        else:
            connection.execute(f"install {extension}")
            connection.execute(f"load {extension}")
    except duckdb.Error as error:
        raise StoreError(
            f"DuckDB's extension {extension} cannot be loaded: {error}. "
            f"Install it with: pip install duckdb-extension-{extension.replace('_', '-')}"
        ) from error


def find_extension(extension: str) -> Path | None:
    """Return the extension's file in the wheel it came in, or None if there is no such wheel."""
    wheel = importlib.util.find_spec(f"duckdb_extension_{extension}")
    if wheel is None or not wheel.submodule_search_locations:
        return None
    folder = Path(next(iter(wheel.submodule_search_locations)))
    return next(folder.rglob("*.duckdb_extension"), None)


def quote(text: str) -> str:
    """Return a text as SQL writes it, for the few statements that take no parameters."""
    return "'" + text.replace("'", "''") + "'"
