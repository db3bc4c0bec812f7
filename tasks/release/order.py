"""Order: more rows than fit into memory, put into the order of their marks.

split  mark   pair_id  copy  content
train  0a1f…  0a1f…    1     <think>…

They are spread over files by their marks, which are hashes and so fill the files evenly; a file is
then sorted by itself. DuckDB's own sort keeps what it joins in memory and gives up.
"""

import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import polars as pl
import pyarrow as pa

ROWS_AT_A_TIME = 5_000
_ROWS_A_FILE = 10_000
_MOST_FILES = 100  # of a split, open at the same time
_MARKS = 16**4  # The first four digits of a mark say which file it belongs to.
T = TypeVar("T")
_ORDER = ["mark", "pair_id", "copy"]


def put_in_order(
    frames: Iterable[pl.DataFrame], about: int, folder: Path
) -> Iterator[pl.DataFrame]:
    """Yield the rows of all frames by split, mark, pair_id and copy, `ROWS_AT_A_TIME` at once.

    `about` is how many rows there are, more or less. What does not fit into memory lies in a folder
    of its own within `folder` meanwhile.
    """
    spread = folder / ".order"
    files = min(_MOST_FILES, about // _ROWS_A_FILE + 1)
    try:
        for rows in one_ahead(_sort(file) for file in _spread(one_ahead(frames), files, spread)):
            for start in range(0, rows.height, ROWS_AT_A_TIME):
                yield rows.slice(start, ROWS_AT_A_TIME)
    finally:
        shutil.rmtree(spread, ignore_errors=True)


def one_ahead(values: Iterable[T]) -> Iterator[T]:
    """Yield the same values; the next one is being made while the last one is worked on."""
    waiting = iter(values)
    with ThreadPoolExecutor(1) as ahead:
        coming = ahead.submit(next, waiting, None)
        while (value := coming.result()) is not None:
            coming = ahead.submit(next, waiting, None)
            yield value


def _sort(file: Path) -> pl.DataFrame:
    """Return the rows of a file in their order; the file goes."""
    rows = pl.read_ipc_stream(file).sort(_ORDER)
    file.unlink()
    return rows


def _spread(frames: Iterable[pl.DataFrame], files: int, folder: Path) -> list[Path]:
    """Write the rows to a file for each split and span of marks; return the files in order."""
    folder.mkdir()
    place = pl.col("mark").str.head(4).str.to_integer(base=16) * files // _MARKS
    writers: dict[tuple[str, int], pa.ipc.RecordBatchStreamWriter] = {}
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    try:
        for frame in frames:
            # Sorted at once and cut up after: to gather each part by itself takes far longer.
            placed = frame.with_columns(place=place).sort("split", "place")
            table = placed.drop("place").to_arrow(compat_level=pl.CompatLevel.oldest())
            parts = placed.group_by("split", "place", maintain_order=True).len()
            start = 0
            for split, number, rows in parts.iter_rows():
                if (key := (split, number)) not in writers:
                    file = str(_file_of(folder, key))
                    writers[key] = pa.ipc.new_stream(file, table.schema, options=options)
                writers[key].write_table(table.slice(start, rows))
                start += rows
    finally:
        for writer in writers.values():
            writer.close()
    return [_file_of(folder, key) for key in sorted(writers)]


def _file_of(folder: Path, key: tuple[str, int]) -> Path:
    return folder / f"{key[0]}-{key[1]:03d}.arrow"
