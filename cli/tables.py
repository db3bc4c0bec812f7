"""Rows of a query as a table for people, JSON or CSV for programs.

Text of the store is untrusted: in a table it is never markup, and no control character of it
reaches the terminal.
"""

import csv
import json
import math
import sys
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TextIO
from uuid import UUID

import duckdb
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.boundary import plain

if TYPE_CHECKING:  # A question to the store need not wait for it: a third of a second.
    import polars as pl

_CELL = 80
_LINE = 60
_PIPED_WIDTH = 1_000
_NARROWEST = 10
_FETCHED = 1_000
_NUMBERS = ("INT", "DOUBLE", "FLOAT", "DECIMAL", "BIGINT", "HUGEINT")


def write_table(result: duckdb.DuckDBPyConnection, limit: int) -> None:
    """Print at most `limit` rows and say if there are more; many columns become one a line."""
    names, types = columns_of(result)
    rows = result.fetchmany(limit + 1)
    console = make_console()
    shown = rows[:limit]
    if len(names) * (_NARROWEST + 3) > console.width and shown:
        _print_records(console, names, shown)
    else:
        _print_grid(console, names, types, shown)
    if len(rows) > limit:
        console.print(Text(f"the first {limit:,} rows; --limit N shows more, --json or --csv all"))
    else:
        console.print(Text(f"{len(rows):,} row{'' if len(rows) == 1 else 's'}"))


def print_frame(console: Console, rows: "pl.DataFrame") -> None:
    """Print a small frame of texts and counts."""
    table = make_table()
    for name, kind in rows.schema.items():
        table.add_column(Text(plain(name)), justify="right" if kind.is_numeric() else "left")
    for row in rows.iter_rows():
        cells = (f"{value:,}" if isinstance(value, int) else str(value) for value in row)
        table.add_row(*(Text(plain(cell)) for cell in cells))
    console.print(table)


def write_json(result: duckdb.DuckDBPyConnection, out: TextIO, limit: int | None) -> None:
    """Write one JSON array, an object a row, a row a line."""
    names = columns_of(result)[0]
    in_ascii = _lacks_characters(out)
    out.write("[")
    for number, row in enumerate(_rows(result, limit)):
        values = {name: to_json(value) for name, value in zip(names, row, strict=True)}
        out.write(("," if number else "") + "\n" + json.dumps(values, ensure_ascii=in_ascii))
    out.write("\n]\n")


def write_csv(result: duckdb.DuckDBPyConnection, out: TextIO, limit: int | None) -> None:
    """Write CSV with a header; nested values as JSON, null as an empty field."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns_of(result)[0])
    for row in _rows(result, limit):
        writer.writerow([to_field(value) for value in row])


def columns_of(result: duckdb.DuckDBPyConnection) -> tuple[list[str], list[str]]:
    """Return the names, made unique, and the types of a result's columns."""
    names: list[str] = []
    for column in result.description or []:
        name, number = str(column[0]), 2
        while name in names:
            name, number = f"{column[0]}_{number}", number + 1
        names.append(name)
    return names, [str(column[1]) for column in result.description or []]


def make_console(file: TextIO | None = None) -> Console:
    """Return a console as wide as the terminal; what is piped is not squeezed into 80 columns."""
    out = file or sys.stdout
    width = None if out.isatty() else _PIPED_WIDTH
    return Console(file=out, width=width, markup=False, highlight=False, emoji=False)


def make_table(*texts: str, numbers: Iterable[str] = ()) -> Table:
    """Return a table with a column for each heading, those of numbers last and to the right."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in texts:
        table.add_column(Text(plain(heading)))
    for heading in numbers:
        table.add_column(Text(plain(heading)), justify="right")
    return table


def to_line(text: str | None) -> str:
    """Return a text as one short line, cut with an ellipsis."""
    one_line = "none" if text is None else " ".join(text.split())
    return one_line if len(one_line) <= _LINE else f"{one_line[: _LINE - 1]}…"


def to_cell(value: object) -> Text:
    """Return a value as one line of harmless text, cut with an ellipsis if it is long."""
    if value is None:
        return Text("null", style="dim")
    if isinstance(value, float):
        return Text(f"{value:.6g}")
    if isinstance(value, datetime):
        return Text(value.isoformat(sep=" ", timespec="seconds"))
    text = value if isinstance(value, str) else to_field(value)
    text = str(text)[: 4 * _CELL]
    line = plain(text.replace("\r\n", "↵").replace("\n", "↵").replace("\t", " "))
    return Text(line if len(line) <= _CELL else line[: _CELL - 1] + "…")


def to_field(value: object) -> object:
    """Return a value as CSV and cells show it: nested values as JSON."""
    if isinstance(value, list | dict | tuple | bytes | bool):
        return json.dumps(to_json(value), ensure_ascii=False)
    return value


def print_json(value: Any) -> None:
    """Print a value as a JSON document."""
    json.dump(to_json(value), sys.stdout, ensure_ascii=_lacks_characters(sys.stdout), indent=2)
    print()


def to_json(value: Any) -> Any:
    """Return a DuckDB value as JSON has it: no NaN, times in ISO 8601, bytes in hexadecimal."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, dict):
        return {str(key): to_json(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(each) for each in value]
    return value


def _lacks_characters(out: TextIO) -> bool:
    """Say whether characters must be spelt as JSON does: how the stream does it is no JSON."""
    return (out.encoding or "utf-8").lower().replace("-", "") != "utf8"


def _print_grid(
    console: Console, names: list[str], types: list[str], rows: list[tuple[Any, ...]]
) -> None:
    table = make_table()
    for name, kind in zip(names, types, strict=True):
        number = kind.upper().startswith(_NUMBERS)
        table.add_column(
            Text(plain(name)),
            justify="right" if number else "left",
            no_wrap=True,
            overflow="ellipsis",
        )
    for row in rows:
        table.add_row(*(to_cell(value) for value in row))
    console.print(table)


def _print_records(console: Console, names: list[str], rows: list[tuple[Any, ...]]) -> None:
    """Print a row as lines of `name  value`, a blank line between rows."""
    widest = max(len(name) for name in names)
    for number, row in enumerate(rows, start=1):
        console.print(Text(f"row {number}", style="bold"))
        for name, value in zip(names, row, strict=True):
            line = Text(f"  {plain(name):<{widest}}  ").append_text(to_cell(value))
            console.print(line, no_wrap=True, overflow="ellipsis")
        console.print()


def _rows(result: duckdb.DuckDBPyConnection, limit: int | None) -> Iterator[tuple[Any, ...]]:
    left = math.inf if limit is None else limit
    while left > 0 and (rows := result.fetchmany(int(min(_FETCHED, left)))):
        yield from rows
        left -= len(rows)
