"""Sampling in rounds against a simulator whose truth is known: the error is as stated."""

import json
import math
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import Any

import polars as pl
import pytest

from tasks.assess.difficulty import measure_difficulty
from tasks.assess.grade import grade_responses
from tasks.assess.keys import derive_keys
from tasks.assess.stopping import USUAL_ERROR
from tasks.llm.pending import EVERYTHING, Range
from tasks.messages import render_prompt
from tasks.recipe import Recipe, StoreSettings
from tasks.sample import (
    SampledRole,
    count_rounds,
    count_wanted,
    read_page,
    sample_range,
)
from tasks.simulator.launch import RunningSimulator, start_simulator
from tasks.store import Store, close_stores, open_store
from tests.conftest import MakeRecipe

ROOT = Path(__file__).resolve().parents[1]
RUN = "run"
STUDENT = "sim-student"
PROBLEMS = 500


@pytest.fixture(scope="module")
def problems() -> list[dict[str, Any]]:
    """Problems without a level, so that their difficulties have the shape of Big-Math's."""
    lines = [
        line
        for name in ("math", "science", "safety")
        for line in (ROOT / "seeds" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    rows = [{**json.loads(line), "level": None} for line in lines]
    checkable = [row for row in rows if row["answer_type"] in ("number", "choice", "text")]
    return checkable[:PROBLEMS]


@pytest.fixture(scope="module")
def simulator(
    problems: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningSimulator]:
    """The simulator that knows these problems."""
    file = tmp_path_factory.mktemp("items") / "items.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in problems), encoding="utf-8")
    with start_simulator([file], {"seed": 3}) as running:
        yield running


def add_problems(store: Store, problems: list[dict[str, Any]], *, with_answers: bool) -> None:
    frame = pl.DataFrame(
        [
            {
                "prompt_id": f"{number:04x}{number:028x}",
                "kind": "seed",
                "domain": row["domain"],
                "text": row["prompt"],
                "choices": row.get("choices"),
                "answer": row["answer"] if with_answers else None,
                "answer_source": "gold" if with_answers else None,
                "answer_type": row["answer_type"],
            }
            for number, row in enumerate(problems, 1)
        ],
        infer_schema_length=None,
    )
    # As hashes are, these ids are spread over the whole range.
    spread = pl.col("prompt_id").map_elements(lambda name: name[3::-1] + name[4:], pl.String)
    store.append("prompts", frame.with_columns(spread), run_id=RUN)


def draw_rounds(store: Store, recipe: Recipe, role: SampledRole, *, stops: int = 0) -> int:
    """Draw in rounds as the flow does; a run that is killed first does half of each of `stops`."""
    for number in range(count_rounds(recipe, role)):
        look(store, recipe, role)
        if count_wanted(store, recipe, role).calls == 0:
            return number
        if number < stops:
            sample_range(store, recipe, RUN, role, Range("", "8"))
            look(store, recipe, role)
        sample_range(store, recipe, RUN, role, EVERYTHING)
    return count_rounds(recipe, role)


def look(store: Store, recipe: Recipe, role: SampledRole) -> None:
    if role == "student":
        grade_responses(store, ["student"], RUN)
    else:
        derive_keys(store, recipe.select, RUN)


def true_rates(simulator: RunningSimulator, model: str, texts: list[str]) -> list[float]:
    address = simulator.base_url.removesuffix("/v1") + "/sim/truth"
    body = json.dumps({"model": model, "prompts": texts}).encode()
    asked = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(asked) as answer:
        return list(json.load(answer))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_band_is_found_with_the_stated_error(
    store: Store,
    make_recipe: MakeRecipe,
    simulator: RunningSimulator,
    problems: list[dict[str, Any]],
) -> None:
    student = {"model": STUDENT, "base_url": simulator.base_url}
    recipe = make_recipe(models={"student": student}, sample={"adaptive": {}})
    texts = [row["prompt"] for row in problems]
    add_problems(store, problems, with_answers=True)
    derive_keys(store, recipe.select, RUN)
    draw_rounds(store, recipe, "student")
    grade_responses(store, ["student"], RUN)
    measure_difficulty(store, recipe.select, RUN)

    band = recipe.select.band
    measured = store.sql(
        "select prompts.text, pass_rate, low, high, in_band, correct + wrong as decided "
        "from current_difficulty inner join prompts using (prompt_id)"
    )
    choices = {row["prompt"]: row.get("choices") for row in problems}
    asked = [render_prompt(text, choices[text]) for text in measured["text"]]
    known = measured.with_columns(truth=pl.Series(true_rates(simulator, STUDENT, asked)))
    assert known.height == len(set(texts)) > 250
    wrong_side = known.select(
        pl.col("pass_rate").is_between(band.low, band.high)
        != pl.col("truth").is_between(band.low, band.high)
    ).to_series()
    noise = 2 * math.sqrt(0.125 * 0.875 / known.height)
    assert fmean(wrong_side) <= USUAL_ERROR + noise
    covered = known.select(pl.col("truth").is_between("low", "high")).to_series()
    assert fmean(covered) > 0.92
    spent = store.sql("select count(*) from responses").item() / known.height
    assert spent < 0.7 * 16


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_that_was_killed_within_rounds_draws_the_same_samples(
    store: Store,
    make_recipe: MakeRecipe,
    simulator: RunningSimulator,
    problems: list[dict[str, Any]],
    empty_store: Path,
    tmp_path: Path,
) -> None:
    student = {"model": STUDENT, "base_url": simulator.base_url}
    recipe = make_recipe(models={"student": student}, sample={"adaptive": {"step": 4}})
    few = problems[:60]
    add_problems(store, few, with_answers=True)
    derive_keys(store, recipe.select, RUN)
    draw_rounds(store, recipe, "student")

    shutil.copytree(empty_store, tmp_path / "killed")
    catalog = str(tmp_path / "killed" / "catalog.sqlite")
    other = open_store(StoreSettings(catalog=catalog))
    add_problems(other, few, with_answers=True)
    derive_keys(other, recipe.select, RUN)
    draw_rounds(other, recipe, "student", stops=4)
    ids = "select response_id from responses order by 1"
    assert other.sql(ids).equals(store.sql(ids))
    assert count_wanted(other, recipe, "student").calls == 0


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_references_vote_until_a_leader_leads_for_good(
    store: Store,
    make_recipe: MakeRecipe,
    simulator: RunningSimulator,
    problems: list[dict[str, Any]],
) -> None:
    served = {"base_url": simulator.base_url}
    recipe = make_recipe(
        models={"reference": {"model": "sim-reference", **served}, "student": {"model": STUDENT}},
        sample={"adaptive_reference": {}},
    )
    few = problems[:80]
    add_problems(store, few, with_answers=False)
    draw_rounds(store, recipe, "reference")
    derive_keys(store, recipe.select, RUN)
    drawn = store.sql("select drawn, votes, runner_up from current_votes")
    assert drawn.height == len({row["prompt"] for row in few})
    assert set(drawn["drawn"]) <= {4, 6, 8, 10, 12, 14, 16}
    assert fmean(drawn["drawn"]) < 8
    settled = drawn.filter(pl.col("drawn") == 4)
    assert settled.select((pl.col("votes") == 4).all()).item()
    assert count_wanted(store, recipe, "reference").calls == 0


@pytest.mark.slow
def test_of_a_fixed_number_responses_made_elsewhere_are_not_drawn_again(
    store: Store, make_recipe: MakeRecipe
) -> None:
    add_problems(
        store,
        [
            {"domain": "math", "prompt": f"What is {number} + 1?", "answer": "2"}
            | {"answer_type": "number"}
            for number in range(3)
        ],
        with_answers=True,
    )
    recipe = make_recipe(sample={"student": 4})
    derive_keys(store, recipe.select, RUN)
    names = store.sql("select prompt_id from prompts order by prompt_id")["prompt_id"].to_list()
    made = [(names[0], index) for index in range(3)] + [(names[1], index) for index in range(6)]
    rows = [
        {"response_id": f"{name}-{index}", "prompt_id": name, "sample_index": index}
        | {"role": "student", "model": STUDENT, "server": "import", "content": "2"}
        for name, index in made
    ]
    store.append("responses", pl.DataFrame(rows), run_id=RUN)
    assert count_wanted(store, recipe, "student").calls == 1 + 0 + 4
    page = read_page(store, recipe, "student", EVERYTHING)
    assert dict(page.select("prompt_id", "wanted").iter_rows()) == {
        names[0]: 1,
        names[1]: 0,
        names[2]: 4,
    }


WRITERS = {
    "Who wrote the tragedy of Hamlet, prince of Denmark?": "William Shakespeare",
    "Name the author of Pride and Prejudice.": "Jane Austen",
    "Whose novel about a white whale begins with the words 'Call me Ishmael'?": "Herman Melville",
    "Which poet had a raven say 'Nevermore'?": "Edgar Poe",
    "Great Expectations was written by whom?": "Charles Dickens",
    "Of which writer is the detective Sherlock Holmes?": "Arthur Doyle",
    "The Divine Comedy leads through hell; who is its poet?": "Dante Alighieri",
    "To whom do we owe the story of Frankenstein's creature?": "Mary Shelley",
}
JUDGED_RECIPE = """
name: judged
store: {{catalog: store/catalog.sqlite}}
seeds: [{{path: seeds.jsonl}}]
models:
  student: {{model: sim-student, base_url: "{url}"}}
  judge: {{model: sim-judge, base_url: "{url}"}}
sample: {{adaptive: {{}}}}
assess: {{judge: [text]}}
release: {{folder: releases}}
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_judge_speaks_between_rounds_so_that_a_second_run_makes_no_call(
    tmp_path: Path,
) -> None:
    def write(name: str, answers: dict[str, str]) -> Path:
        rows = [
            {"id": f"history-{number}", "domain": "history", "prompt": text, "answer": answer}
            | {"answer_type": "text", "level": 2}
            for number, (text, answer) in enumerate(answers.items())
        ]
        file = tmp_path / name
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return file

    # The student knows family names: no verifier accepts them, the judge does.
    known = write("items.jsonl", {text: name.split()[-1] for text, name in WRITERS.items()})
    write("seeds.jsonl", WRITERS)
    settings = {"models": {"sim-judge": {"skill": 30, "malformed_json": 0}}}
    recipe = tmp_path / "recipe.yaml"
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT", "TEACHSET"))}
    with start_simulator([known], settings) as simulator:
        recipe.write_text(JUDGED_RECIPE.format(url=simulator.base_url), encoding="utf-8")
        counts = []
        for _ in range(2):
            subprocess.run(
                [sys.executable, "-m", "cli", "run", str(recipe), "--phase", "explore"],
                env=environment | {"PREFECT_HOME": str(tmp_path / "prefect")},
                cwd=ROOT,
                check=True,
            )
            reader = open_store(StoreSettings(catalog=str(tmp_path / "store" / "catalog.sqlite")))
            by_role = reader.sql("select role, count(*) from responses group by role")
            counts.append(dict(by_role.iter_rows()))
            found = reader.sql("select correct, wrong from current_difficulty")
            close_stores()
    assert counts[1] == counts[0]
    # By the verifiers alone all would be at 0 of 10 and settled; the judge's word counts.
    assert min(found["correct"]) > 0
    assert found.height == len(WRITERS)
    assert max(found["correct"] + found["wrong"]) > 10
