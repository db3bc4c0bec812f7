"""`teachset shell`: SQL at a prompt, on the store, read-only.

DuckDB's own shell if it is installed beside Python or on PATH, in the version whose extensions are
installed here, else a small one of ours.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import duckdb

from cli.project import find_store
from cli.querying import TABLE_ROWS, plain_lines
from cli.reading import open_reader
from cli.tables import write_table
from tasks.lake.place import (
    LAKE,
    StorePlace,
    attach_statement,
    extensions_of,
    find_extension,
    quote,
)

WELCOME = (
    "The store is open for reading; a run may go on writing.\n"
    "End a statement with `;`. `.tables` lists tables and views, `.exit` or Ctrl-D leaves.\n"
    "To begin: from funnel; from spend_by_day; from difficulty_by_domain; from failures_recent;\n"
    "from what_changed_since(now() - interval 1 day); (docs/queries.md)"
)
_LEAVE = {".exit", ".quit", "exit", "quit", "exit;", "quit;"}


def open_shell(recipe: Path | None) -> None:
    """Let a person ask the store until they leave."""
    settings = find_store(recipe)
    program = find_duckdb_shell()
    with open_reader(settings) as connection:
        if program is None:
            print(WELCOME)
            converse(connection, _input_with_history())
            return
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "init.sql"
        script.write_text(init_script(settings), encoding="utf-8")
        print(WELCOME)
        subprocess.run([program, "-init", str(script)], check=False)


def find_duckdb_shell() -> str | None:
    """Return DuckDB's shell if it is installed in exactly our version of DuckDB."""
    beside = Path(sys.executable).parent  # Where `pip install 'teachset[shell]'` puts it.
    program = shutil.which("duckdb", path=str(beside)) or shutil.which("duckdb")
    if program is None:
        return None
    try:
        told = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=10, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    return program if told.split()[:1] == [f"v{duckdb.__version__}"] else None


def init_script(settings: StorePlace) -> str:
    """Return the statements that attach the store in DuckDB's own shell."""
    lines = []
    for extension in extensions_of(settings):
        file = find_extension(extension)
        lines.append(
            f"load {quote(str(file))};" if file else f"install {extension}; load {extension};"
        )
    lines += [f"{attach_statement(settings, read_only=True)};", f"use {LAKE};"]
    return "\n".join(lines) + "\n"


def converse(connection: duckdb.DuckDBPyConnection, ask: Callable[[str], str]) -> None:
    """Read statements and show their rows until the person leaves."""
    statement = ""
    while True:
        try:
            line = ask("      ...> " if statement else "teachset> ")
        except EOFError:
            print()
            return
        except KeyboardInterrupt:
            statement = ""
            print("\n(cancelled; `.exit` or Ctrl-D leaves)")
            continue
        if not statement and line.strip().lower() in _LEAVE:
            return
        if not statement and line.strip() == ".tables":
            line = "show tables;"
        statement = f"{statement}\n{line}" if statement else line
        if statement.strip().endswith(";"):
            _answer(connection, statement)
            statement = ""
        elif not statement.strip():
            statement = ""


def _answer(connection: duckdb.DuckDBPyConnection, statement: str) -> None:
    try:
        result = connection.execute(statement)
        if result.description:
            write_table(result, TABLE_ROWS)
    except (KeyboardInterrupt, duckdb.InterruptException):
        print("(cancelled)")
    except duckdb.Error as error:
        print(plain_lines(str(error)), file=sys.stderr)


def _input_with_history() -> Callable[[str], str]:
    with suppress(ImportError):
        import readline

        readline.parse_and_bind("set bracketed-paste on" if sys.stdin.isatty() else "")
    return input
