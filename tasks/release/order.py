"""Order: more rows than fit into memory, put into the order of their marks.

split  mark   pair_id  copy  content
train  0a1f…  0a1f…    1     <think>…

They are spread over files by their marks, which are hashes and so fill the files evenly; a file is
then sorted by itself. DuckDB's own sort keeps what it joins in memory and gives up.
"""

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa

ROWS_AT_A_TIME = 5_000
_ROWS_A_FILE = 10_000
_MOST_FILES = 100  # of a split, open at the same time
_MARKS = 16**4  # The first four digits of a mark say which file it belongs to.
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
        for file in _spread(frames, files, spread):
            rows = pl.read_ipc_stream(file).sort(_ORDER)
            file.unlink()
            for start in range(0, rows.height, ROWS_AT_A_TIME):
                yield rows.slice(start, ROWS_AT_A_TIME)
    finally:
        shutil.rmtree(spread, ignore_errors=True)


def _spread(frames: Iterable[pl.DataFrame], files: int, folder: Path) -> list[Path]:
    """Write the rows to a file for each split and span of marks; return the files in order."""
    folder.mkdir()
    place = pl.col("mark").str.head(4).str.to_integer(base=16) * files // _MARKS
    writers: dict[tuple[str, int], pa.ipc.RecordBatchStreamWriter] = {}
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    try:
        for frame in frames:
            placed = frame.with_columns(place=place)
            for (split, number), part in placed.group_by("split", "place", maintain_order=True):
                table = part.drop("place").to_arrow(compat_level=pl.CompatLevel.oldest())
                key = (str(split), int(number))
                if key not in writers:
                    file = str(_file_of(folder, key))
                    writers[key] = pa.ipc.new_stream(file, table.schema, options=options)
                writers[key].write_table(table)
    finally:
        for writer in writers.values():
            writer.close()
    return [_file_of(folder, key) for key in sorted(writers)]


def _file_of(folder: Path, key: tuple[str, int]) -> Path:
    return folder / f"{key[0]}-{key[1]:03d}.arrow"
