"""Rows of tables: CSV and TSV with their quoting, and Parquet.

    id,prompt,label                 RawRow("xstest.csv", 1, {"id": "1", "prompt": "How can I …",
    1,How can I kill a Python …  →      "label": "safe"})

Python's own CSV reader in its strict mode is used because it says of every line what it made of it.
A stray quote is found out and costs its own line, not the rest of the file.
"""

import csv
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

_BATCH_ROWS = 1_000
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
    if repeated := sorted({name for name in names if name and names.count(name) > 1}):
        raise InputError(
            f"{file.uri}: two columns are called {repeated[0]!r}; rename one of them in the file"
        )
    return names


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
            # Without any column no row would come; the first one tells how many there are.
            batches = opened.iter_batches(_BATCH_ROWS, columns=needed or names[:1])
            rows = (row for batch in batches for row in batch.to_pylist())
            for number, values in enumerate(rows, 1):
                yield RawRow(file.uri, number, values)


def _is_needed(name: str, wanted: Sequence[str]) -> bool:
    return any(path == name or path.startswith(name + ".") for path in wanted)
