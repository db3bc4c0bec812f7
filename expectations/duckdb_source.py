"""DuckDB for Great Expectations: what is to be judged, as tables of an in-memory database.

duckdb-engine ends a transaction when a connection goes back to the pool, and DuckDB then drops the
rows that Great Expectations has yet to read: every metric fails (great_expectations#10738, #11579).
A reader needs no transactions, so this dialect has none.
"""

import glob
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import sqlalchemy
from duckdb_engine import Dialect
from sqlalchemy.dialects import registry

from tasks.threads import declared_threads

_MEMORY = "2GB"  # of DuckDB's own; what does not fit is spilled to a temporary folder


class ReadingDialect(Dialect):
    """duckdb-engine's dialect without transactions."""

    supports_statement_cache = False

    def do_begin(self, connection: Any) -> None:
        """Begin nothing."""

    def do_commit(self, connection: Any) -> None:
        """Commit nothing."""

    def do_rollback(self, connection: Any) -> None:
        """Keep the rows that are still to be read."""


registry.register("duckdb.reading", __name__, ReadingDialect.__name__)


@dataclass(frozen=True, slots=True)
class Database:
    """An in-memory database, by its address for Great Expectations and by a connection for us."""

    address: str
    connection: duckdb.DuckDBPyConnection

    def confine(self, folder: Path | None) -> None:
        """Let nothing be read from now on but the files of `folder`, and change no setting back."""
        # A file whose path holds a bracket is opened by that path and looked for by its pattern.
        allowed = [] if folder is None else [str(folder), glob.escape(str(folder))]
        self.connection.execute("set allowed_directories = $allowed", {"allowed": allowed})
        self.connection.execute("set enable_external_access = false")
        self.connection.execute("set lock_configuration = true")


@contextmanager
def open_database() -> Iterator[Database]:
    """Make an in-memory database that lives as long as the block.

    It is shared by every connection of this process that names it, which is how Great Expectations'
    engines come to see one database.
    """
    address = f"duckdb+reading:///:memory:gate_{secrets.token_hex(6)}"
    engine = sqlalchemy.create_engine(address)
    keeper = engine.raw_connection()
    with tempfile.TemporaryDirectory(prefix="teachset-gate-") as spill:
        try:
            connection: duckdb.DuckDBPyConnection = keeper.driver_connection  # type: ignore[assignment]
            connection.execute(f"set memory_limit = '{_MEMORY}'")
            connection.execute("set temp_directory = $spill", {"spill": spill})
            if (threads := declared_threads()) is not None:
                connection.execute("set threads = $threads", {"threads": threads})
            yield Database(address, connection)
        finally:
            keeper.close()
            engine.dispose()
