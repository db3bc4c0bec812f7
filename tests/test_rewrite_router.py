"""A model's word on seeds that the rules cannot place: asked once, kept, counted and explained."""

from collections.abc import Iterator
from typing import Any, get_args

import polars as pl
import pytest

from cli.explaining import draw, explain
from cli.reading import open_reader
from cli.tables import make_console
from tasks.identity import prompt_id
from tasks.llm.failures import PERMANENT
from tasks.llm.pending import EVERYTHING
from tasks.llm.servers import identify_endpoint, stop_simulators
from tasks.plan.plan import make_plan
from tasks.progress import track
from tasks.recipe import Recipe
from tasks.rewrite import router, routes
from tasks.rewrite.openings import plan_rewrites
from tasks.rewrite.router import MEANINGS, count_doubtful, place_range, read_word
from tasks.rewrite.routes import Route, route_seeds
from tasks.rewrite.stage import parent_filter
from tasks.simulator.routing import route_of_words
from tasks.store import Store
from tests.conftest import MakeRecipe

ODD = "Establish that the square of an odd number is odd."
RAIN = "Write a poem about rain."
SUM = "What is 2 + 2?"
SURE = {"skill": 50, "wrong_key": 0, "leaked": 0, "unchanged": 0, "malformed_json": 0}


@pytest.fixture(autouse=True)
def no_simulator_left() -> Iterator[None]:
    yield
    stop_simulators()


def with_router(make_recipe: MakeRecipe, **profile: Any) -> Recipe:
    models = {name: {"model": f"sim-{name}"} for name in ("router", "rewriter", "reference")}
    rows = ({"prompt": ODD}, {"prompt": RAIN}, {"prompt": SUM, "answer": "4"})
    seeds = [{"path": "seeds.jsonl", "constants": {"domain": "math"}}]
    profiles = {"sim-router": SURE | profile}
    return make_recipe(rows, seeds=seeds, models=models, simulator={"models": profiles})


def put(store: Store) -> None:
    """Add the seeds as ingest leaves them."""
    rows: list[dict[str, Any]] = [
        {"text": ODD, "answer_type": "open"},
        {"text": RAIN, "answer_type": "open"},
        {"text": SUM, "answer_type": "number", "answer": "4"},
    ]
    made = [
        {"prompt_id": prompt_id(row["text"], domain="math"), "kind": "seed", "domain": "math"} | row
        for row in rows
    ]
    frame = pl.DataFrame(made, infer_schema_length=None)
    store.append("prompts", frame.with_columns(root_id=pl.col("prompt_id")))


def place(store: Store, recipe: Recipe) -> int:
    route_seeds(store, "run-1")
    with track("route", 3):
        return place_range(store, recipe, "run-1", EVERYTHING)


def test_every_route_but_safety_may_be_said() -> None:
    assert {*MEANINGS, "safety"} == set(get_args(Route))


@pytest.mark.parametrize(
    ("content", "finish_reason", "route", "decided_by", "reason"),
    [
        ('{"route": "proof", "sure": true}', "stop", "proof", "model", "replaced"),
        ('{"route": "open", "sure": true}', "stop", "open", "model", "agreed"),
        ('{"route": "proof", "sure": false}', "stop", "open", "rule", "unsure"),
        ('{"route": "safety", "sure": true}', "stop", "open", "rule", "malformed"),
        ("It is a proof.", "stop", "open", "rule", "malformed"),
        (None, "stop", "open", "rule", "malformed"),
        ('{"route": "proof", "sure": true}', "length", "open", "rule", "truncated"),
    ],
)
def test_a_word_counts_only_if_it_is_whole_and_sure(
    content: str | None, finish_reason: str, route: str, decided_by: str, reason: str
) -> None:
    said = read_word("open", content, finish_reason)
    assert (said["route"], said["decided_by"], said["reason"]) == (route, decided_by, reason)


@pytest.mark.slow
def test_doubtful_seeds_are_asked_about_once_and_sure_ones_never(
    store: Store, make_recipe: MakeRecipe
) -> None:
    recipe = with_router(make_recipe)
    put(store)
    assert place(store, recipe) == 2
    assert count_doubtful(store, recipe) == 0
    assert place(store, recipe) == 0
    assert store.sql("select count(*) from responses where role = 'router'").item() == 2
    placed = store.sql(
        "select text, route, decided_by, routed.model, routed.template, reason "
        "from current_routes as routed join prompts using (prompt_id) order by text"
    )
    assert placed.rows() == [
        (ODD, "proof", "model", "sim-router", "route@1", "replaced"),
        (SUM, "numeric", "rule", None, None, None),
        (RAIN, "open", "model", "sim-router", "route@1", "agreed"),
    ]
    accounts = store.sql("select route, decided_by, reason, seeds from route_accounts order by 1")
    assert accounts.rows() == [
        ("numeric", "rule", "sure", 1),
        ("open", "model", "agreed", 1),
        ("proof", "model", "replaced", 1),
    ]


@pytest.mark.slow
def test_what_the_router_says_decides_the_strategies(store: Store, make_recipe: MakeRecipe) -> None:
    recipe = with_router(make_recipe)
    put(store)

    def strategies() -> set[str]:
        rows = store.query("rewrite_parents", **parent_filter(store, recipe, EVERYTHING))
        rewriter = recipe.models.rewriter
        assert rewriter is not None
        endpoint = identify_endpoint(recipe, rewriter)
        asked = plan_rewrites(rows.iter_rows(named=True), endpoint, recipe)
        odd = prompt_id(ODD, domain="math")
        return {request.template for request in asked if request.prompt_id == odd}

    assert "proof_to_answer@1" not in strategies()
    place(store, recipe)
    assert "proof_to_answer@1" in strategies()


@pytest.mark.slow
def test_newer_rules_read_the_replies_again_and_ask_nothing(
    store: Store, make_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = with_router(make_recipe)
    put(store)
    place(store, recipe)
    for module in (routes, router):
        monkeypatch.setattr(module, "VERSION", routes.VERSION + (module is routes))
    assert place(store, recipe) == 2
    assert store.sql("select count(*) from responses where role = 'router'").item() == 2
    decided = store.sql("select version, decided_by, count(*) from current_routes group by all")
    assert sorted(decided.rows()) == [(4, "model", 2), (4, "rule", 1)]


@pytest.mark.slow
def test_a_call_without_a_reply_leaves_the_guess_and_is_accounted_for(
    store: Store, make_recipe: MakeRecipe
) -> None:
    recipe = with_router(make_recipe, malformed_json=1)
    put(store)
    assert place(store, recipe) == 0
    assert store.sql("select distinct failure from failures").item() in PERMANENT
    assert count_doubtful(store, recipe) == 0
    accounts = store.sql("select reason, seeds from route_accounts order by 1").rows()
    assert accounts == [("no_reply: malformed", 2), ("sure", 1)]


@pytest.mark.slow
def test_a_plan_counts_one_call_a_doubtful_seed_and_none_without_a_router(
    store: Store, make_recipe: MakeRecipe
) -> None:
    recipe = with_router(make_recipe)
    (planned,) = [stage for stage in make_plan(recipe).stages if stage.role == "router"]
    assert (planned.cost.calls.low, planned.cost.calls.high) == (2, 2)
    alone = recipe.model_copy(update={"models": recipe.models.model_copy(update={"router": None})})
    assert not [stage for stage in make_plan(alone).stages if stage.role == "router"]
    assert count_doubtful(store, alone) == 0


@pytest.mark.slow
def test_a_seed_is_explained_with_who_placed_it(store: Store, make_recipe: MakeRecipe) -> None:
    recipe = with_router(make_recipe)
    put(store)
    place(store, recipe)
    with open_reader(recipe.store) as connection:
        story = explain(connection, prompt_id(ODD, domain="math"))
    words = [
        (word["route"], word["decided_by"], word["counts"])
        for word in story["prompts"][0]["routes"]
    ]
    assert words == [("proof", "model", True), ("open", "rule", False)]
    console = make_console()
    with console.capture() as shown:
        console.print(draw(story), soft_wrap=True)
    assert "route proof by model, sim-router, route@1 (replaced)" in shown.get()


def test_a_recipe_without_a_router_keeps_its_digest(make_recipe: MakeRecipe) -> None:
    assert "router" not in make_recipe().settings_that_decide()["models"]


@pytest.mark.parametrize(
    ("task", "route"),
    [
        (ODD, "proof"),
        ("Create an HTML page with a blue heading.", "code"),
        ("What is the capital of France?", "text"),
        ("Is a whale a fish?", "true_false"),
        ("How many legs does a spider have?", "numeric"),
        (RAIN, "open"),
        ("Rain.", None),
    ],
)
def test_the_simulated_router_goes_by_words(task: str, route: str | None) -> None:
    assert route_of_words(task, has_options=False) == route
