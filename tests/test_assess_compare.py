"""Two versions of a verifier side by side: by pair of verdicts, by answer and in total."""

import json
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from cli.main import app
from tasks.assess.compare import compare_verdicts, is_version
from tasks.errors import InputError
from tasks.store import Store

RECIPE = """
name: test
store: {catalog: store/catalog.sqlite}
seeds: [{path: seeds.jsonl}]
models: {student: {model: sim-student}}
release: {folder: releases}
"""


def put_grades(store: Store, version: int, *grades: tuple[int, str, str, str, int]) -> None:
    columns = ["response", "verdict", "reason", "extracted", "attempt"]
    frame = pl.DataFrame(grades, schema=columns, orient="row")
    store.append(
        "grades",
        frame.select(
            pl.format("r{}", "response").alias("response_id"),
            pl.lit("k").alias("key_id"),
            pl.lit("math").alias("verifier"),
            pl.lit(version, pl.Int32).alias("version"),
            *("verdict", "reason", "extracted"),
            pl.col("attempt").cast(pl.Int32),
        ),
        run_id=f"run-{version}",
    )


def test_what_changed_is_told_by_answer_and_in_total(store: Store, tmp_path: Path) -> None:
    responses = pl.DataFrame({"response_id": [f"r{n}" for n in range(6)], "prompt_id": "p"})
    store.append("responses", responses.with_columns(role=pl.lit("student")), run_id="run")
    key = {"key_id": "k", "prompt_id": "p", "answer": "1200", "answer_type": "number"}
    store.append("keys", pl.DataFrame([key]), run_id="run")
    with pytest.raises(InputError, match=r"math@1: the store has no verdict.* it has none"):
        compare_verdicts(store, "math@1", "math@2")
    wrong, right = ("wrong", "symbolic"), ("correct", "numeric")
    put_grades(store, 1, *((n, *wrong, "1.2e3", 1) for n in (0, 1)), (2, *right, "1200", 1))
    put_grades(store, 1, (3, "unverifiable", "timeout", "1+", 1), (5, *wrong, "7", 1))
    put_grades(store, 1, (3, "wrong", "symbolic", "1+", 2))
    put_grades(store, 2, *((n, *right, "1.2e3", 1) for n in (0, 1)), (2, *right, "1200", 1))
    put_grades(store, 2, (3, "wrong", "symbolic", "1+", 1), (4, *right, "1200", 1))

    told = compare_verdicts(store, "math@1", "math@2")
    assert (told.both, told.only_first, told.only_second, told.differing) == (4, 1, 1, 2)
    assert [tuple(row.values()) for row in told.verdicts] == [
        ("wrong", "correct", 2),
        ("correct", "correct", 1),
        ("wrong", "wrong", 1),
    ]
    assert len(told.changed) == 1
    row = told.changed[0]
    assert (row["prompt_id"], row["key_answer"], row["responses"]) == ("p", "1200", 2)
    assert (row["first_reason"], row["second_reason"]) == ("symbolic", "numeric")

    file = tmp_path / "recipe.yaml"
    file.write_text(RECIPE)
    shown = CliRunner().invoke(app, ["compare", str(file), "math@1", "math@2"])
    assert shown.exit_code == 0
    assert "4 graded by both, 2 differently; 1 by math@1 alone, 1 by math@2 alone" in shown.stdout
    assert ("2  p  key 1200  answer 1.2e3: wrong (symbolic) is correct (numeric)") in shown.stdout
    as_json = CliRunner().invoke(app, ["compare", str(file), "math@1", "math@2", "--json"])
    assert json.loads(as_json.stdout)["differing"] == 2
    unknown = CliRunner().invoke(app, ["compare", str(file), "math@1", "math@7"])
    assert unknown.exit_code == 3 and "it has math@1, math@2" in unknown.stderr


def test_a_policy_is_no_version() -> None:
    assert is_version("math@2")
    assert not is_version("recipe") and not is_version("teachable@4f0c21aa9b3e")
