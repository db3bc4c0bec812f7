"""DuckDB for Great Expectations: the staged Parquet as a table of an in-memory database.

duckdb-engine ends a transaction when a connection goes back to the pool, and DuckDB then drops the
rows that Great Expectations has yet to read: every metric fails (great_expectations#10738, #11579).
A reader needs no transactions, so this dialect has none.
"""

import glob
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import sqlalchemy
from duckdb_engine import Dialect
from sqlalchemy.dialects import registry

BATCH = "staged"  # the table that the expectations look at


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


@contextmanager
def serve_staged(files: list[Path], tables: Mapping[str, pa.Table]) -> Iterator[str]:
    """Make an in-memory database of the files and of reference tables; yield its address.

    The database lives as long as the block. It is shared by every connection of this process that
    names it, which is how Great Expectations' engines come to see one database.
    """
    address = f"duckdb+reading:///:memory:gate_{secrets.token_hex(6)}"
    engine = sqlalchemy.create_engine(address)
    keeper = engine.raw_connection()
    try:
        connection: duckdb.DuckDBPyConnection = keeper.driver_connection  # type: ignore[assignment]
        paths = [glob.escape(str(file)) for file in files]
        connection.read_parquet(paths, hive_partitioning=False).create_view(BATCH)
        for name, table in tables.items():
            connection.from_arrow(table).create(name)
        yield address
    finally:
        keeper.close()
        engine.dispose()
