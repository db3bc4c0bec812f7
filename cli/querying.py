"""`teachset query`: ad hoc SQL on the store, shown as a table, JSON or CSV."""

import sys
from collections.abc import Sequence
from pathlib import Path

import duckdb

from cli.boundary import plain, read_argument
from cli.project import find_store
from cli.reading import open_reader
from cli.tables import write_csv, write_json, write_table
from tasks.errors import InputError

TABLE_ROWS = 100
SQL_FAILED = 2


def show_query(sql: str, recipe: Path | None, *, form: str, limit: int | None) -> int:
    """Run one statement and print its rows; return 2 if DuckDB refused it.

    Raises InputError if there is none or more than one.
    """
    statement = read_argument(read_sql(sql))
    with open_reader(find_store(recipe)) as connection:
        try:
            check_single(connection.extract_statements(statement))
            result = connection.execute(statement)
            if not result.description:
                return 0
            if form == "json":
                write_json(result, sys.stdout, limit)
            elif form == "csv":
                write_csv(result, sys.stdout, limit)
            else:
                write_table(result, TABLE_ROWS if limit is None else limit)
        except duckdb.InterruptException:
            raise KeyboardInterrupt from None
        except duckdb.Error as error:
            sys.stdout.flush()
            print(f"teachset: {plain_lines(str(error))}", file=sys.stderr)
            return SQL_FAILED
    return 0


def check_single(statements: Sequence[duckdb.Statement]) -> None:
    """Raise InputError unless there is exactly one statement: only one can show its rows."""
    if not statements:
        raise InputError("there is no SQL to run; try: select * from funnel")
    if len(statements) > 1:
        raise InputError(
            f"these are {len(statements)} statements; give them one at a time, or use "
            "`teachset shell`"
        )


def read_sql(given: str) -> str:
    """Return the SQL itself, from the argument, a `.sql` file or stdin. Raises InputError."""
    if given == "-":
        return sys.stdin.read()
    if given.endswith(".sql") and "\n" not in given and " " not in given.strip():
        try:
            return Path(given).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{given}: cannot be read as a file of SQL: {error}") from error
    return given


def plain_lines(text: str) -> str:
    """Keep the lines of a message and make other control characters visible."""
    return "\n".join(plain(line) for line in text.splitlines())
