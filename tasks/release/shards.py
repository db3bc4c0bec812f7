"""Shards: rows as Parquet or JSONL files of a stated size, byte for byte the same every time.

data/train-00000-of-00002.parquet   jsonl/train-00000-of-00002.jsonl
"""

import io
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, Self

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

Container = Literal["parquet", "jsonl"]
ROW_GROUP = 5_000  # rows; about 10 MB of pairs
SHARD = 100_000  # rows; about 200 MB of pairs, a multiple of ROW_GROUP


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A written data file, its path relative to the release's folder, and its rows."""

    path: str
    rows: int
    format: str = "parquet"  # as a recipe names it


class _Part(Protocol):
    def write_table(self, table: pa.Table, row_group_size: int) -> Any: ...

    def close(self) -> Any: ...


class Shards:
    """Files of at most `SHARD` rows a split, named when it is known how many there are.

    Rows leave in groups cut at fixed places, however they arrive, so that the bytes never differ
    and no more than a group is held in memory.
    """

    def __init__(self, root: Path, folder: str, schema: pa.Schema, container: Container) -> None:
        self._folder = root / folder
        self._folder.mkdir(parents=True)
        self._schema = schema
        self._container: Container = container
        self._waiting: dict[str, list[pa.Table]] = {"train": []}
        self._shards: dict[str, list[int]] = {"train": []}
        self._writers: dict[str, _Part] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the files; what went wrong is what is told, not how they were left."""
        for writer in self._writers.values():
            with suppress(Exception):
                writer.close()
        self._writers.clear()

    def write(self, split: str, rows: pl.DataFrame) -> None:
        """Add rows to a split, whole groups at once."""
        waiting = self._waiting.setdefault(split, [])
        self._shards.setdefault(split, [])
        chosen = rows.select(self._schema.names)
        waiting.append(chosen.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(self._schema))
        table = pa.concat_tables(waiting)
        whole = table.num_rows - table.num_rows % ROW_GROUP
        for start in range(0, whole, ROW_GROUP):
            self._write_group(split, table.slice(start, ROW_GROUP))
        self._waiting[split] = [table.slice(whole)]

    def close(self, format: str = "parquet") -> tuple[StagedFile, ...]:
        """Write what is left, name the files and return them. A split without rows has no file.

        Except train: an empty release is a file of no rows, for the gate to refuse.
        """
        files = []
        for split, waiting in self._waiting.items():
            rest = pa.concat_tables([self._schema.empty_table(), *waiting])
            if rest.num_rows or not self._shards[split]:
                self._write_group(split, rest)
            self._finish(split)
            rows = self._shards[split]
            for index, count in enumerate(rows):
                name = f"{split}-{index:05d}-of-{len(rows):05d}.{self._container}"
                self._part(split, index).rename(self._folder / name)
                files.append(StagedFile(f"{self._folder.name}/{name}", count, format))
        return tuple(files)

    def _write_group(self, split: str, table: pa.Table) -> None:
        shards = self._shards[split]
        if not shards or shards[-1] + table.num_rows > SHARD:
            self._finish(split)
            shards.append(0)
            path = self._part(split, len(shards) - 1)
            self._writers[split] = _open_part(path, self._schema, self._container)
        self._writers[split].write_table(table.combine_chunks(), row_group_size=ROW_GROUP)
        shards[-1] += table.num_rows

    def _finish(self, split: str) -> None:
        if split in self._writers:
            self._writers.pop(split).close()

    def _part(self, split: str, index: int) -> Path:
        return self._folder / f"{split}-{index:05d}.part"


def to_lines(rows: pl.DataFrame) -> bytes:
    """Return rows as JSON lines; a number that is not finite becomes null."""
    lines = io.BytesIO()
    rows.write_ndjson(lines)
    return lines.getvalue()


class _Lines:
    """A JSONL file that is written table by table, as a ParquetWriter is."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")

    def write_table(self, table: pa.Table, row_group_size: int) -> None:
        """Add the rows of a table."""
        rows = pl.from_arrow(table)
        assert isinstance(rows, pl.DataFrame)
        self._file.write(to_lines(rows))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _open_part(path: Path, schema: pa.Schema, container: Container) -> _Part:
    if container == "jsonl":
        return _Lines(path)
    writer: _Part = pq.ParquetWriter(
        path, schema, compression="zstd", version="2.6", write_statistics=True
    )
    return writer
