"""What rewriting leads to: rounds of revision, drafts worth confirming, and room in a root."""

import itertools
from typing import Any

import polars as pl
import pytest

from tasks.ingest import ingest_seeds
from tasks.plan.assumed import CONTINUED_SHARE, FIRST_CONTINUED_SHARE
from tasks.plan.estimate import exact
from tasks.plan.pending import pending_rewrites
from tasks.plan.price import Demand
from tasks.plan.rewriting import expect_within, forecast_rewriting, foresee_follow_ups
from tasks.recipe import Recipe
from tasks.store import Store
from tests.conftest import MakeRecipe
from tests.planned import models, reply

COLUMNS = ("template", "domain", "calls", "continued", "over", "drafts", "accepted")
NOTHING_SEEN = pl.DataFrame(
    schema={name: pl.String if name in COLUMNS[:2] else pl.Int64 for name in COLUMNS}
)
DRAFT = {
    "valid": True,
    "problem": "How much of ice is under water?",
    "answer": "92",
    "answer_type": "number",
    "faults": [],
}


def demand(template: str, calls: int) -> Demand:
    return Demand(template, "science", exact(calls), 100.0, 1_000.0)


def test_drafts_are_followed_up_as_often_as_is_assumed_where_nothing_was_seen() -> None:
    asked = [demand("self_revision@1", 10), demand("harder@1", 10)]
    first, second = foresee_follow_ups(asked, NOTHING_SEEN)
    assert (first.template, second.template) == ("self_revision@1+1", "self_revision@1+2")
    assert first.calls.expected == pytest.approx(10 * FIRST_CONTINUED_SHARE)
    assert second.calls.expected == pytest.approx(10 * FIRST_CONTINUED_SHARE * CONTINUED_SHARE)
    assert second.calls.most == 10
    assert second.message_bytes > first.message_bytes > 1_000


def test_follow_ups_go_by_what_the_store_has_seen() -> None:
    seen = [
        ("self_revision@1", "science", 1_000, 1_000, 0, 0, 0),
        ("self_revision@1+1", "science", 1_000, 200, 800, 700, 600),
        ("self_revision@1+2", "science", 200, 0, 200, 150, 100),
    ]
    past = pl.DataFrame(seen, schema=NOTHING_SEEN.schema, orient="row")
    first, second = foresee_follow_ups([demand("self_revision@1", 100)], past)
    assert first.calls.expected == pytest.approx(100, rel=0.02)
    assert second.calls.expected == pytest.approx(20, rel=0.05)
    (last,) = foresee_follow_ups([demand("self_revision@1+1", 100)], past)
    assert last.template == "self_revision@1+2"
    assert not foresee_follow_ups([demand("self_revision@1+2", 100)], past)


@pytest.mark.parametrize("room", [0, 1, 2, 3, 5])
def test_no_more_is_expected_of_a_root_than_it_has_room_for(room: int) -> None:
    chances = (0.9, 0.65, 0.5, 0.2)
    expected = 0.0
    for outcome in itertools.product((0, 1), repeat=len(chances)):
        weight = 1.0
        for came, chance in zip(outcome, chances, strict=True):
            weight *= chance if came else 1 - chance
        expected += weight * min(room, sum(outcome))
    assert expect_within(room, chances) == pytest.approx(expected)


def open_recipe(make_recipe: MakeRecipe, **rewrite: Any) -> Recipe:
    return make_recipe(
        ({"prompt": "Explain why ice floats on water."},),
        seeds=[{"path": "seeds.jsonl", "constants": {"domain": "science"}}],
        models=models("rewriter", "reference", "student"),
        rewrite={"strategies": ["self_revision"], "tries": 3, **rewrite},
    )


@pytest.mark.slow
def test_a_reply_on_the_way_leaves_its_follow_up_and_one_exchange_to_end(
    store: Store, make_recipe: MakeRecipe
) -> None:
    recipe = open_recipe(make_recipe)
    ingest_seeds(store, recipe, "run-1")
    prompts = store.query("plan_prompts")
    before = forecast_rewriting(store, recipe, prompts)
    assert [each.template for each in before.rewriter.demands] == [
        "self_revision@1", "self_revision@1+1", "self_revision@1+2",
    ]  # fmt: skip
    assert before.coming.prompts["science"].expected == pytest.approx(0.65)

    reply(store, recipe, DRAFT)
    assert pending_rewrites(store, recipe)["template"].to_list() == ["self_revision@1+1"]
    after = forecast_rewriting(store, recipe, prompts)
    assert [each.template for each in after.rewriter.demands] == [
        "self_revision@1+1", "self_revision@1+2",
    ]  # fmt: skip
    assert after.rewriter.demands[0].calls == exact(1)
    assert after.coming.prompts["science"].expected == pytest.approx(0.65)


def test_a_root_confirms_and_keeps_no_more_than_it_has_room_for(
    store: Store, make_recipe: MakeRecipe
) -> None:
    recipe = open_recipe(make_recipe, variants=8, max_per_root=1)
    ingest_seeds(store, recipe, "run-1")
    forecast = forecast_rewriting(store, recipe, store.query("plan_prompts"))
    assert forecast.coming.prompts["science"].expected == pytest.approx(1, abs=0.01)
    confirmed = forecast.confirmations.prompts.expected
    assert confirmed == pytest.approx(0.75 / 0.65, rel=0.02)
