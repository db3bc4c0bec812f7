"""Reading a file of a source: every physical row, in order, good or bad.

for row in read_fetched(path, file, SeedSource(path="data/gsm8k_train.jsonl", columns=…)):
    RawRow("gsm8k_train.jsonl", 1, {"question": "Natalia sold…", "answer": "… #### 72"})
"""

import difflib
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path

from tasks.errors import InputError
from tasks.ingest.files import File, Source
from tasks.ingest.json_rows import read_json, read_json_lines
from tasks.ingest.rows import RawRow, has_column, list_paths
from tasks.ingest.table_rows import read_parquet, read_table

_LOOK_AHEAD = 1_000  # rows among which a mapped column is looked for before the whole file is


def read_fetched(path: Path, file: File, source: Source) -> Iterator[RawRow]:
    """Yield the rows of one file, after checking that the mapped columns are somewhere in it.

    Raises InputError if the file as a whole cannot be used.
    """
    needed = mapped_columns(source)
    with closing(_open_rows(path, file, source, needed)) as rows:
        first = list(islice(rows, _LOOK_AHEAD))
        if not first:
            raise InputError(f"{file.uri}: the file has no rows; expected at least one")
        if missing := _find_missing(first, required_columns(source)):
            with closing(_open_rows(path, file, source, None)) as again:
                start = list(islice(again, _LOOK_AHEAD))
                if missing := _find_missing(again, missing):
                    raise InputError(_describe_missing(file, missing[0], start))
        yield from first
        yield from rows


def mapped_columns(source: Source) -> list[str]:
    """Return every column or dotted path that the source's mapping reads."""
    names: list[str] = []
    for value in source.columns.model_dump().values():
        names += [value] if isinstance(value, str) else list(value or ())
    return names


def required_columns(source: Source) -> list[str]:
    """Return the columns that must be somewhere in a file: the prompt, and all mapped by hand."""
    usual = type(source.columns)().model_dump()
    required = ["prompt", "response"]
    names: list[str] = []
    for field, value in source.columns.model_dump().items():
        if field in required or value != usual[field]:
            names += [value] if isinstance(value, str) else list(value or ())
    return names


def _open_rows(
    path: Path, file: File, source: Source, wanted: Sequence[str] | None
) -> Generator[RawRow]:
    match file.format:
        case "jsonl":
            return read_json_lines(path, file)
        case "json":
            return read_json(path, file)
        case "parquet":
            return read_parquet(path, file, wanted)
        case _:
            return read_table(path, file, source.csv)


def _find_missing(rows: Iterable[RawRow], names: Sequence[str]) -> list[str]:
    missing = list(names)
    for row in rows:
        missing = [name for name in missing if not has_column(row.values, name)]
        if not missing:
            break
    return missing


def _describe_missing(file: File, name: str, rows: Sequence[RawRow]) -> str:
    known: Mapping[str, None] = {path: None for row in rows for path in list_paths(row.values)}
    if not known:
        return (
            f"{file.uri}: no row of it can be read as {file.format}: "
            f"{rows[0].fault.detail if rows[0].fault else 'all rows are empty'}"
        )
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f" Did you mean `{near[0]}`?" if near else ""
    return (
        f"{file.uri}: no row has a column `{name}`.{hint} "
        f"Columns there: {', '.join(list(known)[:20])}. Mend `columns` in the recipe."
    )
