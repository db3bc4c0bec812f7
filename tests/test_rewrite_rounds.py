"""Exchanges of several replies: what follows what, what waits, what a second run asks."""

from collections.abc import Iterator
from typing import Any

import orjson
import polars as pl
import pytest

from tasks.identity import prompt_id
from tasks.llm.pending import EVERYTHING
from tasks.llm.request import Request, identify
from tasks.llm.servers import endpoint_of, stop_simulators
from tasks.progress import track
from tasks.recipe import Recipe
from tasks.rewrite.openings import plan_openings
from tasks.rewrite.rounds import find_open, plan_follow_ups
from tasks.rewrite.stage import count_pending, parent_filter, rewrite_range
from tasks.store import Store
from tests.conftest import MakeRecipe

ICE = "Explain why ice floats on water."
DIAGONALS = "Show that a convex polygon with n corners has n(n - 3)/2 diagonals."
FAULTLESS = {"wrong_key": 0, "leaked": 0, "unchanged": 0, "malformed_json": 0}
DRAFT = {
    "valid": True,
    "problem": "How much of ice is under water?",
    "answer": "92",
    "answer_type": "number",
    "faults": [],
}


@pytest.fixture(autouse=True)
def no_simulator_left() -> Iterator[None]:
    yield
    stop_simulators()


def put_open(store: Store, *texts: str) -> None:
    """Add open tasks as ingest leaves them."""
    rows = [
        {"prompt_id": prompt_id(text, domain="science"), "kind": "seed", "domain": "science",
         "text": text, "answer_type": "open"}
        for text in texts
    ]  # fmt: skip
    store.append("prompts", pl.DataFrame(rows).with_columns(root_id=pl.col("prompt_id")))


def simulated(make_recipe: MakeRecipe) -> Recipe:
    return make_recipe(
        models={"rewriter": {"model": "sim-rewriter"}, "reference": {"model": "sim-reference"}},
        rewrite={"strategies": ["self_revision", "proof_to_answer"], "share": {}},
        simulator={"models": {"sim-rewriter": FAULTLESS, "sim-reference": {"skill": 20}}},
    )


def put_reply(store: Store, recipe: Recipe, request: Request, reply: dict[str, Any] | str) -> str:
    """Store a reply to a request; return its reuse key."""
    keys = identify(endpoint_of(store, recipe, "rewriter"), request)
    row = {
        "response_id": keys.response_id,
        "reuse_key": keys.reuse_key,
        "prompt_id": request.prompt_id,
        "role": "rewriter",
        "model": "m",
        "template": request.template,
        "sample_index": request.sample_index,
        "content": reply if isinstance(reply, str) else orjson.dumps(reply).decode(),
        "finish_reason": "stop",
        "simulated": False,
    }
    store.append("responses", pl.DataFrame([row]))
    return keys.reuse_key


@pytest.mark.slow
def test_a_follow_up_holds_the_reply_and_waits_for_nothing_else(
    store: Store, make_recipe: MakeRecipe
) -> None:
    model = {"model": "m", "base_url": "http://127.0.0.1:9/v1"}
    recipe = make_recipe(
        models={"rewriter": model, "reference": model}, rewrite={"strategies": ["self_revision"]}
    )
    put_open(store, ICE)
    endpoint = endpoint_of(store, recipe, "rewriter")
    name = prompt_id(ICE, domain="science")

    def openings() -> list[Any]:
        rows = store.query("rewrite_parents", **parent_filter(store, recipe, EVERYTHING)).to_dicts()
        return list(plan_openings(rows, endpoint, recipe))

    def follow_ups() -> list[tuple[str, Request]]:
        return list(plan_follow_ups(store, openings(), endpoint, [name]))

    ((_, first),) = openings()
    assert follow_ups() == []
    drafted = put_reply(store, recipe, first, DRAFT)
    ((key, second),) = follow_ups()
    assert (key, second.template, second.sample_index) == (drafted, "self_revision@1+1", 0)
    assert second.messages[:2] == first.messages
    assert second.messages[2] == ("assistant", orjson.dumps(DRAFT).decode())
    assert find_open(store, openings(), endpoint, [name]) == {drafted}
    mended = put_reply(store, recipe, second, {**DRAFT, "faults": ["The unit is missing."]})
    assert [request.template for _, request in follow_ups()] == [
        *("self_revision@1+1", "self_revision@1+2"),
    ]
    assert find_open(store, openings(), endpoint, [name]) == {mended}
    third = follow_ups()[1][1]
    put_reply(store, recipe, third, {**DRAFT, "faults": ["Still vague."]})
    assert len(follow_ups()) == 2
    assert find_open(store, openings(), endpoint, [name]) == set()


@pytest.mark.slow
def test_exchanges_are_paid_for_once_and_every_reply_has_an_outcome(
    store: Store, make_recipe: MakeRecipe
) -> None:
    put_open(store, ICE, DIAGONALS)
    recipe = simulated(make_recipe)
    with track("rewrite") as tracker:
        counts = rewrite_range(store, recipe, "run", EVERYTHING, tracker)
    assert (counts.accepted, counts.refused) == (2, {"continued": 1, "declined": 1})
    made = store.sql(
        "select strategy, answer, answer_source, template from prompts where kind = 'rewrite' "
        "order by strategy"
    ).rows()
    assert made[0] == ("proof_to_answer", "119", "execution", "proof_to_answer@1")
    assert made[1][:3] == ("self_revision", "92", "confirmed")
    assert made[1][3] in ("self_revision@1+1", "self_revision@1+2")
    replies = "select count(*) from responses where role = 'rewriter'"
    assert store.sql(replies).item() == store.sql("select count(*) from current_rewrites").item()
    continued = store.sql("select template from current_rewrites where reason = 'continued'").rows()
    assert ("self_revision@1",) in continued
    assert count_pending(store, recipe) == 0
    with track("rewrite") as tracker:
        again = rewrite_range(store, recipe, "run", EVERYTHING, tracker)
    assert (again.asked.completed, again.accepted) == (0, 0)


def test_without_a_second_model_nothing_that_needs_one_is_asked(
    store: Store, make_recipe: MakeRecipe
) -> None:
    put_open(store, ICE)
    model = {"model": "m", "base_url": "http://127.0.0.1:9/v1"}
    recipe = make_recipe(models={"rewriter": model}, rewrite={"strategies": ["self_revision"]})
    assert count_pending(store, recipe) == 0
