"""A setting that is tried and taken back: its policy and its release count again, as before."""

from typing import Any

import pytest

from tasks.recipe import Recipe
from tasks.release.publish import Published, release
from tasks.scope import release_of_frozen
from tasks.select.decide import select_prompts, select_taught_prompts
from tasks.store import Store
from tests.conftest import MakeRecipe
from tests.taught_store import STUDENT, TEACHER, fill, taught


@pytest.fixture
def recipe(store: Store, make_recipe: MakeRecipe) -> Recipe:
    """A recipe for three prompts, two of which a narrower band keeps."""
    fill(
        store,
        taught("half", correct=4, wrong=4),
        taught("third", correct=3, wrong=6),
        taught("rarely", correct=2, wrong=6),
    )
    return make_recipe(
        models={"student": {"model": STUDENT}, "teacher": {"model": TEACHER}},
        select={"band": {"low": 0.125, "high": 0.75}},
    )


def _narrow(recipe: Recipe) -> Recipe:
    select = recipe.select.model_copy(
        update={"band": recipe.select.band.model_copy(update={"high": 0.4})}
    )
    return recipe.model_copy(update={"select": select})


def _run(store: Store, recipe: Recipe, run_id: str) -> Published:
    select_prompts.fn(recipe, run_id)
    select_taught_prompts.fn(recipe, run_id)
    return release(store, recipe, run_id)


def _said(store: Store, recipe: Recipe) -> dict[str, Any]:
    """What people are told at the end of a run, in the views and where a domain is frozen."""
    frozen = recipe.model_copy(
        update={"select": recipe.select.model_copy(update={"freeze": ("math",)})}
    )
    funnel = store.query("explain_funnel").filter(kept=True)
    return {
        "release": store.query("explain_release", recipe=recipe.name)["release_id"][0],
        "frozen": release_of_frozen(store, frozen),
        "kept": int(funnel["prompts"].sum()),
        "latest_kept": store.sql("select count(*) from latest_kept").item(),
    }


@pytest.mark.slow
def test_what_was_taken_back_counts_no_more(store: Store, recipe: Recipe) -> None:
    first = _run(store, recipe, "run-1")
    tried = _run(store, _narrow(recipe), "run-2")
    assert (first.pairs, tried.pairs) == (3, 2)
    assert _said(store, recipe) == {
        "release": tried.release_id,
        "frozen": tried.release_id,
        "kept": 2,
        "latest_kept": 2,
    }

    back = _run(store, recipe, "run-3")
    assert (back.release_id, back.new) == (first.release_id, False)
    latest = first.folder.parent / "latest"
    assert latest.resolve() == first.folder.resolve()
    assert _said(store, recipe) == {
        "release": first.release_id,
        "frozen": first.release_id,
        "kept": 3,
        "latest_kept": 3,
    }
    noted = "select what, run_id from in_force order by created_at"
    assert store.sql(noted).rows() == [
        (what, run) for run in ("run-1", "run-2", "run-3") for what in ("policy", "release")
    ]
    _run(store, recipe, "run-4")
    assert store.sql(noted).height == 6


@pytest.mark.slow
def test_a_store_in_which_nothing_was_noted_goes_by_the_newest(
    store: Store, recipe: Recipe
) -> None:
    _run(store, recipe, "run-1")
    newest = _run(store, _narrow(recipe), "run-2")
    store.execute("delete from in_force")
    assert _said(store, recipe) == {
        "release": newest.release_id,
        "frozen": newest.release_id,
        "kept": 2,
        "latest_kept": 2,
    }
