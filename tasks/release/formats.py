"""Formats: which columns a row has in each of them, with their types.

jsonl/train-00000-of-00001.jsonl
{"messages":[{"role":"user","content":"What is …"},…],"pair_id":"41ce…","domain":"math",…}
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import pyarrow as pa

from tasks.recipe import ReleaseSettings
from tasks.release.shards import Container, Shards

_TEXT, _NUMBER, _COUNT, _FLAG = pa.string(), pa.float64(), pa.int64(), pa.bool_()
_MESSAGES = pa.list_(pa.struct([("role", _TEXT), ("content", _TEXT)]))
_TURNS = pa.list_(pa.struct([("from", _TEXT), ("value", _TEXT)]))
_SAMPLES = pa.list_(
    pa.struct([("response_id", _TEXT), ("verdict", _TEXT), ("completion_tokens", _COUNT)])
)
COLUMNS: Mapping[str, pa.DataType] = MappingProxyType(
    {
        "pair_id": _TEXT,  # content hash of prompt and response
        "messages": _MESSAGES,  # system (optional), user, assistant
        "reasoning": _TEXT,  # only where the recipe asks for it as a field
        "domain": _TEXT,
        "kind": _TEXT,  # seed | rewrite
        "strategy": _TEXT,  # how a rewrite was made
        "key": _TEXT,  # the answer the response was checked against
        "answer_type": _TEXT,
        "key_source": _TEXT,  # gold | execution | plurality | confirmed | rubric
        "pass_rate": _NUMBER,  # of the student; null where the key is a rubric
        "low": _NUMBER,  # its 95 % interval
        "high": _NUMBER,
        "teacher": _TEXT,  # the model that wrote the response
        "verdict": _TEXT,  # correct, unless the recipe releases other responses too
        "source": _TEXT,  # the sets that the root comes from
        "licence": _TEXT,  # and their licences
        "prompt_id": _TEXT,
        "root_id": _TEXT,
        "response_id": _TEXT,
        "simulated": _FLAG,
        "split": _TEXT,  # train | validation, by root_id
    }
)
FIELDS = tuple(name for name in COLUMNS if name not in ("messages", "reasoning"))
_OF_A_PAIR = ("pair_id", "teacher", "verdict", "response_id")
Rows = Literal["pairs", "tasks", "preferences"]


@dataclass(frozen=True, slots=True)
class Format:
    """A format: where its files are, what they are, what one row is, what its trainer reads."""

    folder: str
    container: Container
    rows: Rows
    reads: Mapping[str, pa.DataType]


_PAIRS_READ: Mapping[str, Mapping[str, pa.DataType]] = {
    "jsonl": {"messages": _MESSAGES},
    "sharegpt": {"conversations": _TURNS},
    "alpaca": {"instruction": _TEXT, "input": _TEXT, "output": _TEXT, "system": _TEXT},
    "prompt-completion": {"prompt": _MESSAGES, "completion": _MESSAGES},
}
FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "parquet": Format("data", "parquet", "pairs", {"messages": _MESSAGES}),
        **{name: Format(name, "jsonl", "pairs", reads) for name, reads in _PAIRS_READ.items()},
        "rl": Format(
            "rl",
            "jsonl",
            "tasks",
            {
                "prompt": _MESSAGES,  # as the student was asked
                "ground_truth": _TEXT,
                "answer_type": _TEXT,
                "verifier": _TEXT,
                "choices": pa.list_(_TEXT),
                "tests": pa.list_(_TEXT),  # of a code problem
                "pass_rate": _NUMBER,
                "low": _NUMBER,
                "high": _NUMBER,
                "correct": _COUNT,
                "wrong": _COUNT,
                "samples": _SAMPLES,
            },
        ),
        "preference": Format(
            "preference",
            "jsonl",
            "preferences",
            {
                "prompt": _MESSAGES,
                "chosen": _MESSAGES,
                "rejected": _MESSAGES,
                "chosen_id": _TEXT,  # response_ids
                "rejected_id": _TEXT,
                "chosen_model": _TEXT,
                "rejected_model": _TEXT,
                "length_ratio": _NUMBER,
            },
        ),
    }
)


def pair_columns(*, with_reasoning: bool) -> list[str]:
    """Return the columns of a staged row, as the gate reads it, in order."""
    return [name for name in COLUMNS if with_reasoning or name != "reasoning"]


def duckdb_types(*, with_reasoning: bool) -> dict[str, str]:
    """Return the same columns with their types as DuckDB names them."""
    names = {_TEXT: "VARCHAR", _NUMBER: "DOUBLE", _FLAG: "BOOLEAN"}
    names[_MESSAGES] = 'STRUCT("role" VARCHAR, "content" VARCHAR)[]'
    return {name: names[COLUMNS[name]] for name in pair_columns(with_reasoning=with_reasoning)}


def columns_of(name: str, settings: ReleaseSettings) -> dict[str, pa.DataType]:
    """Return a format's columns in order: what its trainer reads, then the fields asked for."""
    form = FORMATS[name]
    columns = dict(form.reads)
    if settings.reasoning == "field":
        if form.rows == "pairs":
            columns["reasoning"] = _TEXT
        elif form.rows == "preferences":
            columns |= {"chosen_reasoning": _TEXT, "rejected_reasoning": _TEXT}
    asked = FIELDS if settings.fields is None else settings.fields
    carried = [field for field in FIELDS if field in asked]
    if form.rows != "pairs":
        carried = [field for field in carried if field not in _OF_A_PAIR]
    elif settings.weights.is_column:
        columns["weight"] = _NUMBER
    return columns | {field: COLUMNS[field] for field in carried}


def loaded_by_name(settings: ReleaseSettings) -> list[str]:
    """Return the formats that `load_dataset(folder, name)` finds, the default first.

    It reads all configurations of a folder with one reader, that of the first; formats in the other
    container are loaded by their own folder.
    """
    first = FORMATS[settings.formats[0]].container
    return [name for name in settings.formats if FORMATS[name].container == first]


def ships_what_is_gated(settings: ReleaseSettings) -> bool:
    """Whether the Parquet that the gate reads is, byte for byte, the one that is released."""
    weighted = settings.weights.repeats or settings.weights.is_column
    return "parquet" in settings.formats and settings.fields is None and not weighted


class ParquetShards(Shards):
    """The staged rows with all their columns, in `folder`/data, as the gate reads them."""

    def __init__(self, folder: Path, *, with_reasoning: bool) -> None:
        names = pair_columns(with_reasoning=with_reasoning)
        schema = pa.schema([(name, COLUMNS[name]) for name in names])
        super().__init__(folder, FORMATS["parquet"].folder, schema, "parquet")
