"""Rows of tables: CSV and TSV with their quoting, and Parquet.

    id,prompt,label                 RawRow("xstest.csv", 1, {"id": "1", "prompt": "How can I …",
    1,How can I kill a Python …  →      "label": "safe"})

Python's own CSV reader in its strict mode is used because it says of every line what it made of it.
A stray quote is found out and costs its own line, not the rest of the file.
"""

import csv
import json
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.errors import InputError
from tasks.ingest.files import File, Line, explain_damage, open_bytes, read_lines
from tasks.ingest.json_rows import describe_encoding, parse_line
from tasks.ingest.rows import LINE_LIMIT, RAW_LIMIT, Fault, RawRow
from tasks.recipe import Delimited
from tasks.recipe.sources import find_repeated

_BATCH_ROWS = 1_000
# A text that is not UTF-8, a time that Python has no word for.
_UNREADABLE = (ValueError, OverflowError)
_MEND = 'if quotes are ordinary characters in this file, set `csv: {quote: ""}`'


def read_table(path: Path, file: File, settings: Delimited) -> Generator[RawRow]:
    """Yield the records of a CSV or TSV file; record 1 is the one after the header."""
    csv.field_size_limit(LINE_LIMIT)
    with open_bytes(path, file) as stream:
        records = _read_records(read_lines(stream, file), file, settings)
        header: Sequence[str] | None = settings.header
        if header is None:
            header = _read_header(records, file)
        for number, (cells, lines, problem) in enumerate(records, 1):
            yield _make_row(file, number, header, (cells, lines, problem))


_Record = tuple[list[str], list[Line], str | None]


def _read_header(records: Iterator[_Record], file: File) -> list[str]:
    cells, lines, problem = next(records, ([], [], None))
    if not lines:
        raise InputError(f"{file.uri}: the file is empty; expected a header row and rows below it")
    names = [name.strip() for name in cells]
    if problem or not any(names):
        raise InputError(f"{file.uri}: the header row cannot be read: {problem or 'it is blank'}")
    if repeated := find_repeated(names):
        raise InputError(f"{file.uri}: {_describe_repeated(repeated)}")
    return names


def _describe_repeated(name: str) -> str:
    return f"two columns are called {name!r}; rename one of them in the file"


def _read_records(lines: Iterator[Line], file: File, settings: Delimited) -> Iterator[_Record]:
    """Yield (cells, the lines they came from, problem or None) for every record.

    After a problem only the first line of the record is given up; those behind it are read again.
    """
    again: deque[Line] = deque()
    taken: list[Line] = []

    def feed() -> Iterator[str]:
        while True:
            line = again.popleft() if again else next(lines, None)
            if line is None:
                return
            taken.append(line)
            yield line.content.decode("utf-8", "surrogateescape") + "\n"

    while True:
        reader = csv.reader(feed(), **_dialect(file, settings))
        try:
            for cells in reader:
                if cells:
                    yield cells, taken.copy(), None
                taken.clear()
            return
        except csv.Error as error:
            again.extendleft(reversed(taken[1:]))
            yield [], taken[:1], str(error)
            taken.clear()


def _dialect(file: File, settings: Delimited) -> dict[str, Any]:
    delimiter = settings.delimiter or ("\t" if file.format == "tsv" else ",")
    if settings.quote:
        return {"delimiter": delimiter, "quotechar": settings.quote, "strict": True}
    return {"delimiter": delimiter, "quoting": csv.QUOTE_NONE, "quotechar": None}


def _make_row(file: File, number: int, header: Sequence[str], record: _Record) -> RawRow:
    cells, lines, problem = record
    fault = _find_fault(cells, lines, problem, len(header))
    if fault is None:
        values = {name: cell or None for name, cell in zip(header, cells, strict=True) if name}
        return RawRow(file.uri, number, values)
    content = b"\n".join(line.content[:RAW_LIMIT] for line in lines)[: 4 * RAW_LIMIT]
    text = content.decode("utf-8", "backslashreplace")[:RAW_LIMIT]
    place = f"line {lines[0].number}: " if lines else ""
    return RawRow(file.uri, number, {}, Fault(fault.reason, place + fault.detail), text)


def _find_fault(
    cells: list[str], lines: list[Line], problem: str | None, columns: int
) -> Fault | None:
    for line in lines:
        if line.too_long:
            return parse_line(File("", "", ""), line).fault
        try:
            line.content.decode("utf-8")
        except UnicodeDecodeError as error:
            return describe_encoding(error)
    if problem:
        return Fault("bad_quotes", f"the quotes do not match up ({problem}); {_MEND}")
    if len(cells) != columns:
        return Fault(
            "wrong_columns",
            f"expected {columns} columns as in the header, found {len(cells)}; put values with the "
            f"delimiter in them into quotes, or {_MEND}",
        )
    return None


def read_parquet(path: Path, file: File, wanted: Sequence[str] | None = None) -> Generator[RawRow]:
    """Yield the rows of a Parquet file, all of it or only the columns that the mapping may need.

    `wanted` are column names or dotted paths into them.
    """
    with explain_damage(file):
        try:
            opened = pq.ParquetFile(path)
        except pa.ArrowInvalid as error:
            raise InputError(f"{file.uri}: this is not a Parquet file: {error}") from error
        with opened:
            names = opened.schema_arrow.names
            needed = [name for name in names if wanted is None or _is_needed(name, wanted)]
            if wanted is not None and (repeated := find_repeated(needed)):
                raise InputError(f"{file.uri}: {_describe_repeated(repeated)}")
            # Without any column no row would come; the first one tells how many there are.
            number = 1
            for batch in opened.iter_batches(_BATCH_ROWS, columns=needed or names[:1]):
                yield from _read_batch(file, number, _as_written(batch))
                number += batch.num_rows


def _as_written(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the rows with values as a person writes them.

    0.1 in four bytes is 0.10000000149011612 in eight, and that is nobody's answer; a day is
    2024-05-01; and older writers do not say of bytes that they are text.
    """
    for at, (field, column) in enumerate(zip(batch.schema, batch.columns, strict=True)):
        kind = field.type
        if pa.types.is_float32(kind):
            written = column.cast(pa.string()).cast(pa.float64())
        elif pa.types.is_date(kind):
            written = column.cast(pa.string())
        elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            written = column.cast(pa.string(), safe=False)  # What is no UTF-8 costs its own row.
        else:
            continue
        batch = batch.set_column(at, field.name, written)
    return batch


def _read_batch(file: File, number: int, batch: pa.RecordBatch) -> Iterator[RawRow]:
    """Yield the rows of a batch, the first of them `number`; one by one where a value is none."""
    try:
        rows = batch.to_pylist()
    except _UNREADABLE:
        for at in range(batch.num_rows):
            yield _read_alone(file, number + at, batch.slice(at, 1))
        return
    for at, values in enumerate(rows):
        yield RawRow(file.uri, number + at, values)


def _read_alone(file: File, number: int, row: pa.RecordBatch) -> RawRow:
    """Return the one row of a batch, or what is wrong with the first column that cannot be read."""
    values: dict[str, Any] = {}
    fault: Fault | None = None
    for name, column in zip(row.schema.names, row.columns, strict=True):
        try:
            values[name] = column[0].as_py()
        except _UNREADABLE as error:
            fault = fault or _describe_cell(name, column.type, error)
    if fault is None:
        return RawRow(file.uri, number, values)
    return RawRow(file.uri, number, {}, fault, json.dumps(values, ensure_ascii=False, default=str))


def _describe_cell(name: str, kind: pa.DataType, error: Exception) -> Fault:
    mend = "write the file again from its source"
    if isinstance(error, UnicodeDecodeError):
        byte = f"byte {error.start + 1} (0x{error.object[error.start]:02x})"
        return Fault("bad_encoding", f"{byte} of `{name}` is not UTF-8; {mend}")
    expected = f"expected a {kind} in `{name}` that can be read"
    return Fault("bad_value", f"{expected}: {error}; {mend}, or map another column")


def _is_needed(name: str, wanted: Sequence[str]) -> bool:
    return any(path == name or path.startswith(name + ".") for path in wanted)
