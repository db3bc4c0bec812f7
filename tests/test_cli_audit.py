"""`teachset audit contamination`: planted items are counted by disguise and method."""

import json
import random
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from cli.main import app
from tasks.recipe import ContaminationSettings
from tasks.run_lock import only_writer
from tasks.select.audit import audit_methods
from tasks.select.plants import DISGUISES
from tasks.store import Store

RECIPE = """
name: test
store: {catalog: store/catalog.sqlite}
seeds: [{path: seeds.jsonl}]
benchmarks: [{name: exam, path: exam.jsonl}]
models: {student: {model: sim-student}}
release: {folder: releases}
"""
NAMES = ("Janet", "Omar", "Priya", "Lena", "Tomas", "Aiko", "Bruno", "Chloe", "Dmitri", "Esther")
THINGS = ("marbles", "stamps", "peaches", "lanterns", "kites", "violins", "saddles", "anchors")


def problem(number: int) -> str:
    name, thing = NAMES[number % 10], THINGS[number % 8]
    return (
        f"{name} buys {number * 13 + 7} {thing} at the harbour market for ${number + 3} each. "
        f"A cousin gives back {number + 2} of them after the storm. "
        f"How much money did {name} need for the remaining {thing}?"
    )


ITEMS = pl.DataFrame(
    {
        "item_id": [f"i{number:02d}" for number in range(20)],
        "benchmark": ["exam"] * 20,
        "text": [problem(number) for number in range(20)],
        "choices": pl.Series([None] * 20, dtype=pl.List(pl.String)),
    }
)


def test_each_disguise_changes_what_it_says() -> None:
    text = problem(3)
    made = {name: disguise(text, random.Random(0)) for name, disguise in DISGUISES.items()}
    assert made["verbatim"] == text and text in made["embedded"]
    assert "Lena purchases 46 lanterns" in made["reworded"]
    assert made["reworded"].startswith("How much cash did Lena require")
    assert "46" not in made["renumbered"] and "lanterns" in made["renumbered"]
    assert made["reformatted"].split()[1:3] == ["LENA", "BUYS"]


def test_recall_and_alarms_are_counted_by_method() -> None:
    pool = pl.DataFrame(
        {
            "prompt_id": ["copy", "clean"],
            "text": [problem(5), "Name the capital of the country whose flag is the oldest one."],
            "choices": pl.Series([None, None], dtype=pl.List(pl.String)),
        }
    )
    done = audit_methods(ITEMS, pool, ContaminationSettings(drop=("13-gram",)), 10)
    assert done.recall.filter(method="policy")["planted"].sum() == 50
    recall = {(row["disguise"], row["method"]): row for row in done.recall.iter_rows(named=True)}
    assert recall["verbatim", "13-gram"]["own"] == 10
    assert recall["embedded", "13-gram"]["recall"] == 1.0
    assert recall["renumbered", "7-gram"]["recall"] == 1.0
    assert recall["reworded", "policy"] == recall["reworded", "13-gram"] | {"method": "policy"}
    assert recall["reworded", "similar"]["own"] >= 9
    # The copy quotes an item: it is contaminated, no false alarm.
    assert set(done.alarms["prompts"]) == {1} and set(done.alarms["flagged"]) == {0}


@pytest.mark.slow
def test_the_command_reads_the_store(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TEACHSET_RECIPE", raising=False)
    empty = CliRunner().invoke(app, ["audit", "contamination"])
    assert empty.exit_code == 3 and "nothing to plant" in empty.stderr
    store.append("benchmark_items", ITEMS)
    shown = CliRunner().invoke(app, ["audit", "contamination", "--items", "5"])
    assert shown.exit_code == 0 and "recall on exam" in shown.stdout
    assert "found in 0 own prompts" in shown.stdout
    told = json.loads(CliRunner().invoke(app, ["audit", "contamination", "--json"]).stdout)
    assert {row["planted"] for row in told["recall"]} == {20}


def test_nothing_is_added_beside_a_run(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stage counts as settled over the rows that are there at its end, seen by it or not."""
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TEACHSET_RECIPE", raising=False)
    store.append("benchmark_items", ITEMS)
    with only_writer(store.settings):
        refused = CliRunner().invoke(app, ["audit", "contamination", "--items", "5"])
    assert refused.exit_code == 4 and "another run is writing to this store" in refused.stderr
    assert store.sql("from audits").is_empty()
    done = CliRunner().invoke(app, ["audit", "contamination", "--items", "5"])
    assert done.exit_code == 0 and not store.sql("from audits").is_empty()
