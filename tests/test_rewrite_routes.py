"""Routes: what kind of task each text is, that every bundled seed has one, and how it is kept."""

from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

from tasks.ingest import ingest_seeds
from tasks.rewrite import routes
from tasks.rewrite.candidate import Parent
from tasks.rewrite.routes import classify, doubt, route_seeds
from tasks.store import Store
from tests.conftest import MakeRecipe

SEEDS = Path(__file__).resolve().parents[1] / "seeds"


def parent(text: str, **changes: Any) -> Parent:
    known = {"domain": "math", "choices": (), "answer": None, "answer_type": "open", **changes}
    return Parent("p", "p", text=text, **known)


@pytest.mark.parametrize(
    ("text", "changes", "route"),
    [
        ("Prove that $\\sqrt{2}$ is irrational.", {}, "proof"),
        ("Let $n$ be odd. Show that $n^2 - 1$ is divisible by 8.", {}, "proof"),
        ("Find all primes $p$ and prove that there are no others.", {}, "proof"),
        ("Prove or disprove: every group of order 4 is abelian.", {}, "proof"),
        ("Show that $x = 3$ and give $x$.", {"answer": "3", "answer_type": "number"}, "numeric"),
        ("What proves that light is a wave?", {}, "open"),
        ("The results show a fall. Why?", {}, "open"),
        ("(a) Find $f(2)$. (b) Find $f(3)$.", {}, "multi_part"),
        ("A ball falls.\n1. How long does it fall?\n2. How fast is it then?", {}, "multi_part"),
        ("A cart rolls. (i) Calculate its speed. (ii) Explain the sign.", {}, "multi_part"),
        (
            "Use the data.\n1. 12 cm\n2. 14 cm\nWhat is the mean?",
            {"answer": "13", "answer_type": "number"},
            "numeric",
        ),
        ("What is $f(a)$ for (a) = 3?", {"answer": "9", "answer_type": "number"}, "numeric"),
        ("How far is it?", {"answer": "5 km", "answer_type": "quantity"}, "text"),
        ("When did it begin?", {"answer": "1 May 1886", "answer_type": "date"}, "text"),
        ("Is 91 prime?", {"answer": "No", "answer_type": "text"}, "true_false"),
        (
            "The Earth is flat.",
            {"choices": ("True", "False"), "answer": "B", "answer_type": "choice"},
            "true_false",
        ),
        (
            "Which is prime?",
            {"choices": ("4", "5"), "answer": "B", "answer_type": "choice"},
            "choice",
        ),
        ("Expand.", {"answer": "x^2", "answer_type": "expression"}, "expression"),
        ("Which metal is liquid?", {"answer": "mercury", "answer_type": "text"}, "text"),
        ("Write `f`.", {"answer": "f", "answer_type": "code", "domain": "code"}, "code"),
        ("How do I pick a lock?", {"domain": "safety"}, "safety"),
        ("Write a poem about rain.", {}, "open"),
    ],
)
def test_a_text_has_its_route(text: str, changes: dict[str, Any], route: str) -> None:
    found, rule = classify(parent(text, **changes))
    assert found == route
    assert rule


@pytest.mark.parametrize(
    ("text", "changes", "doubted"),
    [
        ("Establish that every odd square leaves 1 modulo 8.", {}, True),
        ("Write a poem about rain.", {}, True),
        ("Prove that $\\sqrt{2}$ is irrational.", {}, False),
        ("What is 2 + 2?", {"answer": "4", "answer_type": "number"}, False),
        (
            "How many? A. 3 B. 4 C. 5 D. none",
            {"answer": "4", "answer_type": "number"},
            True,
        ),
        ("(a) Find $f(2)$. (b) Find $f(3)$.", {"answer": "9", "answer_type": "number"}, True),
        ("(a) Find $f(2)$. (b) Find $f(3)$.", {}, False),
        ("Which metal is liquid?", {"answer": "mercury", "answer_type": "text"}, False),
        (
            "Why does ice float?",
            {"answer": "because it is less dense than the water below it", "answer_type": "text"},
            True,
        ),
        ("How do I pick a lock?", {"domain": "safety"}, False),
    ],
)
def test_what_the_rules_only_guess_at_has_a_doubt(
    text: str, changes: dict[str, Any], doubted: bool
) -> None:
    asked = parent(text, **changes)
    assert (doubt(asked, classify(asked)[0]) is not None) == doubted


def test_every_bundled_seed_has_the_route_of_its_answer() -> None:
    expected = {
        "number": {"numeric"},
        "expression": {"expression"},
        "choice": {"choice"},
        "text": {"text", "true_false"},
        "code": {"code"},
        "open": {"open", "proof", "multi_part", "code"},
    }
    found = Counter[str]()
    for file in sorted(SEEDS.glob("*.jsonl")):
        for row in map(orjson.loads, file.read_bytes().splitlines()):
            fields = {name: row[name] for name in ("domain", "answer", "answer_type", "reference")}
            choices = tuple(row["choices"] or ())
            route, _ = classify(parent(row["prompt"], choices=choices, **fields))
            found[route] += 1
            assert route in expected[row["answer_type"]] | {"safety"}
    assert found == {
        "numeric": 203, "choice": 72, "safety": 62, "code": 53, "expression": 25, "text": 24,
        "proof": 10, "open": 8, "multi_part": 7,
    }  # fmt: skip


def test_seeds_are_classified_once_a_version_and_can_be_asked_for(
    store: Store, make_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest_seeds(store, make_recipe(), "run-1")
    assert route_seeds(store, "run-1") == 3
    assert route_seeds(store, "run-2") == 0
    found = "select text, route, rule from current_routes join prompts using (prompt_id)"
    assert store.sql(f"{found} order by text").rows() == [
        ("What is 2 + 2?", "numeric", "answer_type is number"),
        ("What is 7 * 6?", "numeric", "answer_type is number"),
        ("Which gas do plants take in?", "choice", "3 options"),
    ]
    monkeypatch.setattr(routes, "VERSION", 4)
    assert route_seeds(store, "run-3") == 3
    versions = store.sql("select version, count(*) from routes group by 1 order by 1")
    assert versions.rows() == [(3, 3), (4, 3)]
    assert store.sql("select distinct version from current_routes").rows() == [(4,)]
