"""Parquet as it comes: values that no Python value stands for, names that stand for two columns."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.errors import InputError
from tasks.ingest import IngestCounts, ingest_seeds
from tasks.store import Store
from tests.conftest import MakeRecipe


def load(
    store: Store, make_recipe: MakeRecipe, path: Path, table: pa.Table, **source: Any
) -> IngestCounts:
    """Ingest one file of Parquet."""
    pq.write_table(table, path)
    return ingest_seeds(store, make_recipe(seeds=[{"path": str(path), **source}]), "r")


def declared_as_text(*values: bytes) -> pa.Array:
    """A column of texts as some writers leave it: in another encoding than it says."""
    return pa.Array.from_buffers(pa.string(), len(values), pa.array(values).buffers())


@pytest.mark.everyday(2)
@pytest.mark.parametrize(
    ("column", "values", "reason", "detail"),
    [
        (
            "prompt",
            declared_as_text(b"a", b"caf\xe9", b"c"),
            "bad_encoding",
            "byte 4 (0xe9) of `prompt` is not UTF-8",
        ),
        (
            "source",
            declared_as_text(b"a", b"\xff", b"c"),
            "bad_encoding",
            "byte 1 (0xff) of `source` is not UTF-8",
        ),
        (
            "prompt",
            pa.array([b"a", b"caf\xe9", b"c"]),
            "bad_encoding",
            "byte 4 (0xe9) of `prompt` is not UTF-8",
        ),
        (
            "answer",
            pa.array([None, 10**14, None], pa.timestamp("s")),
            "bad_value",
            "expected a timestamp[ms] in `answer` that can be read",
        ),
    ],
)
def test_a_value_that_cannot_be_read_costs_its_own_row(
    store: Store,
    make_recipe: MakeRecipe,
    tmp_path: Path,
    column: str,
    values: pa.Array,
    reason: str,
    detail: str,
) -> None:
    columns: dict[str, Any] = {"prompt": ["one", "two", "three"], "level": [1, 2, 3]}
    table = pa.table({**columns, column: values})
    assert load(store, make_recipe, tmp_path / "s.parquet", table) == IngestCounts(3, 2, 0, 1)
    bad = store.sql("select row_number, reason, detail, raw from quarantine").rows()
    assert bad[0][:2] == (2, reason)
    assert detail in bad[0][2]
    assert '"level": 2' in bad[0][3]


def test_a_number_in_four_bytes_is_written_as_it_was_meant(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    answers = pa.array([0.1, 1e20, 72, float("nan"), None], pa.float32())
    table = pa.table({"prompt": list("abcde"), "answer": answers})
    load(store, make_recipe, tmp_path / "s.parquet", table)
    found = store.sql("select answer from prompts order by text")["answer"].to_list()
    assert found == ["0.1", "1e+20", "72", None, None]


def test_a_day_is_written_out_and_bytes_that_are_text_are_read(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    columns = {
        "prompt": pa.array([b"When?", "Où ?".encode()], pa.large_binary()),
        "answer": pa.array([date(2024, 5, 1), None], pa.date32()),
        "answer_type": pa.array(["date", None]),
    }
    load(store, make_recipe, tmp_path / "s.parquet", pa.table(columns))
    found = store.sql("select text, answer from prompts order by text").rows()
    assert found == [("Où ?", None), ("When?", "2024-05-01")]


def test_decimals_are_numbers_wherever_one_may_stand(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    numbers = [Decimal("1.50000000"), Decimal("2.00000000"), Decimal("0.00000001")]
    columns = {name: pa.array(numbers, pa.decimal128(38, 8)) for name in ("answer", "id")}
    load(store, make_recipe, tmp_path / "s.parquet", pa.table({"prompt": list("abc"), **columns}))
    answers = store.sql("select answer from prompts order by text")["answer"].to_list()
    ids = store.sql("select external_id from prompt_sources order by row_number")
    assert answers == ids["external_id"].to_list() == ["1.50000000", "2", "0.00000001"]


def test_two_columns_of_one_name_are_refused_if_they_are_read(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    columns = [pa.array(["a"]), pa.array(["b"]), pa.array(["c"])]
    unread = pa.table(columns, names=["prompt", "x", "x"])
    assert load(store, make_recipe, tmp_path / "a.parquet", unread).new == 1
    read = pa.table(columns, names=["prompt", "x", "prompt"])
    with pytest.raises(InputError, match=r"b\.parquet: two columns are called 'prompt'; rename"):
        load(store, make_recipe, tmp_path / "b.parquet", read)


def test_options_may_be_a_struct_with_a_field_for_every_label_or_a_map(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    struct = pa.array([{"A": "x", "B": "y", "C": None}, {"A": "x", "B": "y", "C": "z"}])
    pairs = pa.array([[("A", "v"), ("B", "w")]], pa.map_(pa.string(), pa.string()))
    for name, options in (("a", struct), ("b", pairs)):
        table = pa.table(
            {"prompt": [name] * len(options), "choices": options, "answer": ["B"] * len(options)}
        )
        load(store, make_recipe, tmp_path / f"{name}.parquet", table)
    found = store.sql("select choices, answer from prompts order by choices").rows()
    assert found == [(["v", "w"], "B"), (["x", "y"], "B"), (["x", "y", "z"], "B")]
