"""Events on a real Prefect server: what happens to a project gets there, with what it was about."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.served import ROOT, Served, read_store, serving, wait_until

PORT = 25879
SERVED = {"prefect.resource.id": "teachset.recipe.served", "prefect.resource.name": "served"}
HAPPENINGS = """
import sys
from contextlib import suppress

from flows.release import release
from flows.sample import sample
from flows.selection import select
from tasks.errors import BudgetReached
from tasks.recipe import load_recipe
from tasks.select.decide import decide_after_teach
from tasks.store import open_store
from tests.taught_store import BENCHMARK_TEXT, add_item, fill, taught

recipe = load_recipe(sys.argv[1])
store = open_store(recipe.store)
fill(store, taught("copy", text=BENCHMARK_TEXT), *(taught(f"p{index}") for index in range(4)))
decide_after_teach(store, recipe, "before")
release(recipe)
add_item(store, BENCHMARK_TEXT)  # Somebody finds that an exam has the problem of one pair.
select(recipe)
with suppress(BudgetReached):
    sample(recipe)  # Forty samples are wanted, and the recipe pays for one call.
"""
PROJECT = """
name: served
store: {catalog: store/catalog.sqlite}
seeds: [{path: seeds.jsonl}]
benchmarks: [{name: exam, path: exam.jsonl}]
models: {student: {model: sim-student}, teacher: {model: sim-teacher}}
budget: {calls: 1}
release: {folder: releases}
"""
OF_SERVED = {"event": {"prefix": ["teachset."]}, "order": "ASC"}


def told(served: Served) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Return name, resource and payload of our events, in the order in which they happened."""
    page = served.ask("/events/filter", {"filter": OF_SERVED, "limit": 50})
    return [
        (event["event"].removeprefix("teachset."), event["resource"], event["payload"])
        for event in page["events"]
    ]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_what_happens_is_told_with_its_recipe_and_its_counts(tmp_path: Path) -> None:
    """A release; a benchmark that holds one of its prompts; a budget that does not reach."""
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(PROJECT)
    (tmp_path / "seeds.jsonl").write_text('{"prompt": "What is 2 + 2?", "answer": "4"}\n')
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    with serving(tmp_path / "prefect", PORT) as served:
        own = {"PREFECT_HOME": str(tmp_path / "mine"), "PREFECT_API_URL": served.url}
        done = subprocess.run(
            [sys.executable, "-c", HAPPENINGS, str(recipe)],
            cwd=ROOT,
            env={**kept, **own},
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        wait_until(lambda: len(told(served)) >= 4, 60, f"not all events: {told(served)}")
        events = told(served)
    runs = "select run_id from runs where flow = '{}' order by started_at"
    released, selected, sampled = (
        read_store(recipe, runs.format(flow))["run_id"][0]
        for flow in ("release", "select", "sample")
    )
    columns = "release_id, version, pairs, validation_pairs"
    (row,) = read_store(recipe, f"select {columns} from releases").to_dicts()
    assert (row["version"], row["pairs"]) == (1, 5)
    found = {"prompts": 1, "responses": 0, "benchmarks": 1}
    tainted = {"release_id": row["release_id"], "version": 1, "pairs": 1}
    assert events == [
        ("release.published", SERVED, {"run_id": released, **row}),
        ("contamination.found", SERVED, {"run_id": selected, **found}),
        ("release.tainted", SERVED, {"run_id": selected, **tainted}),
        ("budget.reached", SERVED, {"run_id": sampled}),
    ]
