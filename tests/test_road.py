"""The whole road, by the command a user types: seeds in, a release out, nothing twice."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cli.reading import open_reader
from tasks.recipe import StoreSettings
from tasks.store import close_stores, open_store

ROOT = Path(__file__).resolve().parents[1]
RECIPE = """
name: road
store: {{catalog: store/catalog.sqlite}}
seeds: [{{path: seeds.jsonl}}]
benchmarks: [{{name: held-out, path: benchmark.jsonl}}]
models:
  rewriter: {{model: sim-rewriter, prices: {{input: 0.5, output: 1.5}}}}
  reference: {{model: sim-reference, prices: {{input: 1, output: 4}}}}
  student: {{model: sim-student, prices: {{input: 0.1, output: 0.4}}}}
  teacher: {{model: sim-teacher, prices: {{input: 1, output: 4}}}}
rewrite: {{strategies: [new_numbers, choice_to_open]}}
sample: {{student: 4, reference: 2}}
simulator: {{latency: {latency}}}
release: {{folder: releases, validation_share: 0.2}}
"""


def _make_project(folder: Path, latency: str = "{}") -> Path:
    """Write a recipe over the first 24 bundled math seeds, one of which is in a benchmark."""
    folder.mkdir()
    seeds = (ROOT / "seeds" / "math.jsonl").read_text(encoding="utf-8").splitlines()[:24]
    first = json.loads(seeds[0])
    (folder / "seeds.jsonl").write_text("\n".join([*seeds, "{not json", ""]), encoding="utf-8")
    item = {"prompt": first["prompt"], "answer": first["answer"]}
    (folder / "benchmark.jsonl").write_text(json.dumps(item) + "\n", encoding="utf-8")
    recipe = folder / "recipe.yaml"
    recipe.write_text(RECIPE.format(latency=latency), encoding="utf-8")
    return recipe


def _start(recipe: Path, home: Path) -> "subprocess.Popen[str]":
    environment = {
        k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "TEACHSET"))
    }
    return subprocess.Popen(
        [sys.executable, "-m", "cli", "run", str(recipe)],
        env=environment | {"PREFECT_HOME": str(home)},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _run(recipe: Path, home: Path) -> str:
    """Run the recipe to its end; nothing may be printed that a user cannot act on."""
    running = _start(recipe, home)
    out, err = running.communicate(timeout=280)
    assert running.returncode == 0, err
    assert "Traceback" not in out + err
    assert "Warning" not in out + err
    return out


def _read(recipe: Path, statement: str) -> pl.DataFrame:
    catalog = recipe.parent / "store" / "catalog.sqlite"
    try:
        return open_store(StoreSettings(catalog=str(catalog))).sql(statement)
    finally:
        close_stores()


def _release_files(recipe: Path) -> dict[str, bytes]:
    """Return what a release consists of; its origin and report also tell when and by which run."""
    release = (recipe.parent / "releases" / "latest").resolve()
    files = sorted(file for file in release.rglob("*") if file.is_file())
    files = [file for file in files if file.name not in ("origin.json", "report.html")]
    return {str(file.relative_to(release)): file.read_bytes() for file in files}


@pytest.mark.timeout(300)
def test_seeds_become_a_release(tmp_path: Path) -> None:
    recipe, home = _make_project(tmp_path / "one"), tmp_path / "prefect"
    first = _run(recipe, home)
    files = _release_files(recipe)
    counts: dict[str, Any] = _read(
        recipe,
        "select (select count(*) from prompts) as prompts, "
        "(select count(*) from current_decisions) as decisions, "
        "(select count(*) from responses) as responses, "
        "(select count(*) from quarantine) as quarantined, "
        "(select count(*) from release_pairs) as pairs",
    ).row(0, named=True)
    funnel = dict(
        _read(recipe, "select reason, sum(prompts)::bigint from funnel group by all").iter_rows()
    )

    assert counts["prompts"] == counts["decisions"] == sum(funnel.values())
    assert counts["quarantined"] == 1
    assert funnel["benchmark_13_gram"] + funnel.get("benchmark_exact", 0) >= 1
    assert funnel["kept"] == counts["pairs"] > 8
    assert {"README.md", "manifest.json", "pairs.parquet"} <= set(files)
    assert "release 1 (new, simulated)" in first


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_second_run_changes_nothing(tmp_path: Path) -> None:
    recipe, home = _make_project(tmp_path / "one"), tmp_path / "prefect"
    _run(recipe, home)
    files, made = _release_files(recipe), "select count(*) as n from responses"
    responses = _read(recipe, made)["n"][0]

    second = _run(recipe, home)
    assert _read(recipe, made)["n"][0] == responses
    assert _read(recipe, "select count(*) as n from releases")["n"][0] == 1
    assert _read(recipe, "select state from runs")["state"].to_list() == ["completed"] * 2
    assert _release_files(recipe) == files
    assert "new, simulated" not in second


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_runs_from_scratch_release_the_same_bytes_reader_or_not(tmp_path: Path) -> None:
    alone, watched = (_make_project(tmp_path / name) for name in ("alone", "watched"))
    _run(alone, tmp_path / "prefect")
    _read(watched, "select 1")  # makes the store
    settings = StoreSettings(catalog=str(watched.parent / "store" / "catalog.sqlite"))
    with open_reader(settings) as reader:
        reader.execute("begin")
        before = reader.execute("select count(*) from responses").fetchall()
        _run(watched, tmp_path / "prefect")
        assert reader.execute("select count(*) from responses").fetchall() == before == [(0,)]
    assert _release_files(alone) == _release_files(watched)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_killed_at_random_moments_ends_in_the_same_release(tmp_path: Path) -> None:
    latency = "{kind: fixed, seconds: 0.15}"
    undisturbed, killed = (
        _make_project(tmp_path / name, latency) for name in ("undisturbed", "killed")
    )
    _run(undisturbed, tmp_path / "prefect")
    chance = random.Random(3)
    for _ in range(5):
        running = _start(killed, tmp_path / "prefect")
        time.sleep(chance.uniform(8, 25))
        running.kill()
        assert running.wait(timeout=30) in (-signal.SIGKILL, 0)
    _run(killed, tmp_path / "prefect")
    counts = (
        "select role, count(*) as n, count(distinct response_id) as ids "
        "from responses group by all order by all"
    )
    assert _read(killed, counts).to_dicts() == _read(undisturbed, counts).to_dicts()
    assert _release_files(killed) == _release_files(undisturbed)
