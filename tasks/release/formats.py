"""Formats: the same rows as Parquet shards and as chat JSONL, byte for byte the same every time.

data/train-00000-of-00002.parquet   train.jsonl
{"pair_id":"41ce…","messages":[{"role":"user","content":"What is …"},…],"domain":"math",…}
"""

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

import orjson
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

_TEXT, _NUMBER = pa.string(), pa.float64()
_MESSAGES = pa.list_(pa.struct([("role", _TEXT), ("content", _TEXT)]))
COLUMNS = MappingProxyType(
    {
        "pair_id": _TEXT,  # content hash of prompt and response
        "messages": _MESSAGES,  # system (optional), user, assistant
        "reasoning": _TEXT,  # only where the recipe asks for it as a field
        "domain": _TEXT,
        "kind": _TEXT,  # seed | rewrite
        "strategy": _TEXT,  # how a rewrite was made
        "key": _TEXT,  # the answer the response was checked against
        "answer_type": _TEXT,
        "key_source": _TEXT,  # gold | execution | plurality
        "pass_rate": _NUMBER,  # of the student
        "low": _NUMBER,  # its 95 % interval
        "high": _NUMBER,
        "teacher": _TEXT,  # the model that wrote the response
        "verdict": _TEXT,  # correct, unless the recipe releases other responses too
        "source": _TEXT,  # the sets that the root comes from
        "licence": _TEXT,  # and their licences
        "prompt_id": _TEXT,
        "root_id": _TEXT,
        "response_id": _TEXT,
        "simulated": pa.bool_(),
        "split": _TEXT,  # train | validation, by root_id
    }
)
SPLITS = ("train", "validation")
ROW_GROUP = 5_000  # rows; about 10 MB of pairs
SHARD = 100_000  # rows; about 200 MB of pairs, a multiple of ROW_GROUP


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A written data file, its path relative to the release's folder, and its rows."""

    path: str
    rows: int

    @property
    def format(self) -> str:
        """The format as a recipe names it."""
        return self.path.rpartition(".")[2]


def pair_columns(*, with_reasoning: bool) -> list[str]:
    """Return the columns of a released row, in order."""
    return [name for name in COLUMNS if with_reasoning or name != "reasoning"]


def duckdb_types(*, with_reasoning: bool) -> dict[str, str]:
    """Return the same columns with their types as DuckDB names them."""
    names = {_TEXT: "VARCHAR", _NUMBER: "DOUBLE", pa.bool_(): "BOOLEAN"}
    names[_MESSAGES] = 'STRUCT("role" VARCHAR, "content" VARCHAR)[]'
    return {name: names[COLUMNS[name]] for name in pair_columns(with_reasoning=with_reasoning)}


def to_rows(pairs: pl.DataFrame) -> bytes:
    """Return pairs as JSON lines; a number that is not finite becomes null."""
    return b"".join(
        orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in pairs.iter_rows(named=True)
    )


class JsonlFiles:
    """One growing JSONL file a split."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[str, IO[bytes]] = {}
        self._rows: dict[str, int] = {}
        self._open_split("train")

    def write(self, split: str, pairs: pl.DataFrame) -> None:
        """Add rows to a split's file."""
        if split not in self._open:
            self._open_split(split)
        self._open[split].write(to_rows(pairs))
        self._rows[split] += pairs.height

    def close(self) -> tuple[StagedFile, ...]:
        """Close the files and return them."""
        for file in self._open.values():
            file.close()
        return tuple(StagedFile(f"{split}.jsonl", rows) for split, rows in self._rows.items())

    def _open_split(self, split: str) -> None:
        self._open[split] = (self._folder / f"{split}.jsonl").open("wb")
        self._rows[split] = 0


class ParquetShards:
    """Parquet files of at most `SHARD` rows a split, named when it is known how many there are.

    Row groups are cut at fixed places, however the rows arrive, so that the bytes never differ.
    """

    def __init__(self, folder: Path, *, with_reasoning: bool) -> None:
        self._folder = folder / "data"
        self._folder.mkdir()
        fields = pair_columns(with_reasoning=with_reasoning)
        self._schema = pa.schema([(name, COLUMNS[name]) for name in fields])
        self._waiting: dict[str, list[pa.Table]] = {"train": []}
        self._shards: dict[str, list[int]] = {"train": []}
        self._writers: dict[str, pq.ParquetWriter] = {}

    def write(self, split: str, pairs: pl.DataFrame) -> None:
        """Add rows to a split, whole row groups at once."""
        waiting = self._waiting.setdefault(split, [])
        self._shards.setdefault(split, [])
        waiting.append(pairs.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(self._schema))
        table = pa.concat_tables(waiting)
        whole = table.num_rows - table.num_rows % ROW_GROUP
        for start in range(0, whole, ROW_GROUP):
            self._write_group(split, table.slice(start, ROW_GROUP))
        self._waiting[split] = [table.slice(whole)]

    def close(self) -> tuple[StagedFile, ...]:
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
                name = f"{split}-{index:05d}-of-{len(rows):05d}.parquet"
                self._part(split, index).rename(self._folder / name)
                files.append(StagedFile(f"data/{name}", count))
        return tuple(files)

    def _write_group(self, split: str, table: pa.Table) -> None:
        shards = self._shards[split]
        if not shards or shards[-1] + table.num_rows > SHARD:
            self._finish(split)
            shards.append(0)
            path = self._part(split, len(shards) - 1)
            self._writers[split] = pq.ParquetWriter(path, self._schema, **_PARQUET)
        self._writers[split].write_table(table.combine_chunks(), row_group_size=ROW_GROUP)
        shards[-1] += table.num_rows

    def _finish(self, split: str) -> None:
        if split in self._writers:
            self._writers.pop(split).close()

    def _part(self, split: str, index: int) -> Path:
        return self._folder / f"{split}-{index:05d}.part"


_PARQUET: dict[str, Any] = {"compression": "zstd", "version": "2.6", "write_statistics": True}
