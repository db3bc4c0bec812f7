"""What a card tells of benchmarks, and how an old release is known to be tainted."""

from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from cli.main import app
from cli.summary import describe_tainted
from tasks.recipe import ContaminationSettings, Recipe
from tasks.release.contaminated import NOTHING, UNMEASURED, tell_of_contamination
from tasks.release.facts import gather_facts
from tasks.release.publish import release
from tasks.select.audit import as_rows, audit_methods, name_audit
from tasks.select.contamination import (
    find_contamination,
    find_in_responses,
    find_newly_tainted,
)
from tasks.select.decide import decide_after_teach
from tasks.store import Store
from tests.conftest import MakeRecipe
from tests.taught_store import (
    BENCHMARK_TEXT,
    RUN,
    STUDENT,
    TEACHER,
    add_item,
    fill,
    identify,
    response_of,
    sample_of,
    taught,
)

STUDENTS = {"student": {"model": STUDENT}}


@pytest.fixture
def recipe(make_recipe: MakeRecipe) -> Recipe:
    """A recipe with two benchmarks that sets copies aside and only records rewordings."""
    return make_recipe(
        models=STUDENTS,
        benchmarks=[{"name": name, "path": f"{name}.jsonl"} for name in ("exam", "quiz")],
        select={"contamination": {"drop": ["13-gram"], "report": ["similar"]}},
    )


def tell(store: Store, recipe: Recipe) -> str:
    return "\n".join(tell_of_contamination(recipe, gather_facts(store, recipe, RUN)))


@pytest.mark.slow
def test_without_a_benchmark_nothing_is_claimed(store: Store, make_recipe: MakeRecipe) -> None:
    assert tell(store, make_recipe(models=STUDENTS)) == NOTHING


@pytest.mark.slow
def test_hits_are_counted_by_benchmark_and_method(store: Store, recipe: Recipe) -> None:
    fill(store, taught("copy", text=BENCHMARK_TEXT), taught("clean"))
    add_item(store, BENCHMARK_TEXT)
    add_item(store, "Name the five rivers that flow through the old harbour towns", "quiz")
    find_contamination(store, recipe.select.contamination, ["exam", "quiz"], RUN)
    text = tell(store, recipe)
    # The copy is found by both methods; only what 13-grams find is set aside.
    assert "| exam | 1 | 13-gram | 1 | 0 | 1 |" in text
    assert "| exam | 1 | similar | 1 | 0 | 0 |" in text
    assert "| quiz | 1 | 13-gram | 0 | 0 | 0 |" in text
    assert UNMEASURED in text


@pytest.mark.slow
def test_an_audit_of_these_items_and_settings_is_in_the_card(store: Store, recipe: Recipe) -> None:
    fill(store, taught("clean"))
    add_item(store, BENCHMARK_TEXT)
    settings = recipe.select.contamination
    items = store.query("select_benchmark_texts", benchmarks=["exam", "quiz"])
    done = audit_methods(items, store.query("audit_pool", most=9), settings, 1)
    store.append("audits", as_rows(done, name_audit(settings, items)))
    text = tell(store, recipe)
    # `exact` is for texts of fewer than 13 words; this item has 18.
    assert "| exam | verbatim | 1 | 0.000 | 1.000 |" in text
    assert "Of 1 of the project's own prompts that quote no item, 0 (0.0%)" in text
    add_item(store, "Another item came in since then, so the figures are of another set", "quiz")
    assert UNMEASURED in tell(store, recipe)


def test_the_audit_command_keeps_its_figures_once(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_item(store, BENCHMARK_TEXT)
    (tmp_path / "recipe.yaml").write_text(
        "name: test\nstore: {catalog: store/catalog.sqlite}\nseeds: [{path: seeds.jsonl}]\n"
        "benchmarks: [{name: exam, path: exam.jsonl}]\n"
        "models: {student: {model: sim-student}}\nrelease: {folder: releases}\n"
    )
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert CliRunner().invoke(app, ["audit", "contamination"]).exit_code == 0
    kept = store.sql("from audits")
    assert kept.height == store.sql("from current_audits").height
    own = kept.filter(pl.col("benchmark").is_null(), method="policy")
    assert own.select("texts", "found").rows() == [(0, 0)]


def test_a_new_benchmark_says_which_releases_it_taints(store: Store) -> None:
    fill(store, taught("leaked", text=BENCHMARK_TEXT), taught("clean"))
    pairs = [
        {"release_id": "r1", "pair_id": name, "prompt_id": identify(name)}
        | {"response_id": response_of(name)}
        for name in ("leaked", "clean")
    ]
    store.append("releases", pl.DataFrame({"release_id": "r1", "recipe": "test", "version": 3}))
    store.append("release_pairs", pl.DataFrame(pairs))
    before = store.query("tainted_by_release")
    assert before.is_empty()
    add_item(store, BENCHMARK_TEXT)
    find_contamination(store, ContaminationSettings(), ["exam"], RUN)
    assert find_newly_tainted(store, before).rows() == [("r1", 3, 1)]
    now = store.query("tainted_by_release")
    assert find_newly_tainted(store, now).is_empty()  # It was told.
    assert describe_tainted(now.to_dicts()) == [
        "release 3 of test is tainted: 1 pair with items of exam; "
        '`teachset query "from tainted_releases"` shows them'
    ]
    find_contamination(store, ContaminationSettings(), [], RUN)  # The recipe gives it up.
    assert store.query("tainted_by_release").is_empty()


SAID = f"It says: {BENCHMARK_TEXT}"


@pytest.mark.slow
def test_a_new_benchmark_taints_what_students_said_in_preference_pairs(store: Store) -> None:
    """Of all that a student said only what was released is looked at."""
    said = ((SAID, "correct"), ("It is 5", "wrong"), (f"{SAID} Or not.", "wrong"))
    fill(store, taught("chosen", student=said), taught("rejected", student=said), taught("clean"))
    pair = {"release_id": "r1", "pair_id": "p1", "prompt_id": identify("chosen")}
    opposed = [
        {"prompt_id": identify(name), "chosen_id": sample_of(name, 0)}
        | {"rejected_id": sample_of(name, rejected), "release_id": "r1"}
        for name, rejected in (("chosen", 1), ("rejected", 2), ("clean", 1))
    ]
    store.append("releases", pl.DataFrame({"release_id": "r1", "recipe": "test", "version": 3}))
    store.append("release_pairs", pl.DataFrame([{**pair, "response_id": response_of("chosen")}]))
    store.append("release_preferences", pl.DataFrame(opposed))
    before = store.query("tainted_by_release")
    add_item(store, BENCHMARK_TEXT)
    find_in_responses(store, ContaminationSettings(), ["exam"], RUN)
    assert find_newly_tainted(store, before).rows() == [("r1", 3, 2)]
    tainted = store.sql("select distinct pair_id, response_id from tainted_releases")
    assert set(tainted.rows()) == {
        ("p1", sample_of("chosen", 0)),
        # It has no pair in the release, so it goes by its prompt.
        (identify("rejected"), sample_of("rejected", 0)),
        (identify("rejected"), sample_of("rejected", 2)),
    }
    assert store.sql(
        "select 1 from screened where text_id = $id", {"id": sample_of("chosen", 2)}
    ).is_empty()


@pytest.mark.slow
def test_a_release_remembers_its_preference_pairs(store: Store, make_recipe: MakeRecipe) -> None:
    recipe = make_recipe(
        models={**STUDENTS, "teacher": {"model": TEACHER}},
        release={"formats": ["parquet", "preference"], "validation_share": 0},
    )
    told = (("It is 4, as was to be shown", "correct"), ("It is 5, as was to be shown", "wrong"))
    fill(store, taught("told", student=told), taught("untold"))
    decide_after_teach(store, recipe, RUN)
    published = release(store, recipe, RUN)
    kept = store.sql(
        "select release_id, prompt_id, chosen_id, rejected_id from release_preferences"
    )
    samples = (sample_of("told", 0), sample_of("told", 1))
    assert kept.rows() == [(published.release_id, identify("told"), *samples)]
