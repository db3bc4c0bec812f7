"""Untold: what tests call and the prompt never names is said of a file, once and not row by row."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from cli.progress_bars import describe
from tasks.assess.untold import announce_untold, find_untold, read_untold
from tasks.ingest import ingest_seeds
from tasks.plan.plan import make_plan
from tasks.progress import Snapshot, subscribe
from tasks.store import Store
from tests.conftest import MakeRecipe

CALL = json.dumps({"call": "double", "arguments": [2], "returns": 4})
PRINTS = json.dumps({"input": "2\n", "output": "4\n"})
LINE = (
    "seeds.jsonl: the tests call `double`, which the prompt never names: 1 of 3 prompts are so, "
    "and whoever is asked has to guess; put the name, or a test, into the prompt"
)


@pytest.mark.parametrize(
    ("text", "tests", "untold"),
    [
        ("Double a number.", ["assert double(2) == 4"], "double"),
        ("Write `double`.", ["assert double(2) == 4"], None),
        ("Write doubled(x).", ["assert double(2) == 4"], "double"),
        ("Double a number.", ["def double(x): return 2 * x", "assert double(2) == 4"], None),
        ("Double a number.", ["assert set(map(abs, [1])) == {1}"], None),
        ("Double a number.", ["import math", "assert math.isclose(double(2), PI)"], "double"),
        ("Double a number.", ["def check(double):\n    assert double(2) == 4\n\ncheck(f)"], None),
        ("Double a number.", ["assert double(2 =="], None),
        ("Double a number.", [CALL], "double"),
        ("Write double.", [CALL], None),
        ("Double a number.", [PRINTS], None),
    ],
)
def test_a_name_is_untold_if_only_the_tests_know_it(
    text: str, tests: list[str], untold: str | None
) -> None:
    assert find_untold(text, tests) == untold


@pytest.mark.slow
def test_a_file_is_said_to_have_such_prompts_where_it_comes_in_and_in_plans(
    store: Store, make_recipe: MakeRecipe, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tests = ["assert double(2) == 4"]
    rows: list[dict[str, Any]] = [
        {"prompt": "Double a number.", "domain": "code", "tests": tests},
        {"prompt": "Write double(x).", "domain": "code", "tests": tests},
        {"prompt": "Define `double`.", "domain": "code", "tests": tests},
        {"prompt": "What is 1 + 1?", "domain": "math", "answer": "2"},
    ]
    recipe = make_recipe(rows)
    assert LINE in make_plan(recipe).notes
    ingest_seeds(store, recipe, "first")
    ingest_seeds(store, recipe, "second")
    assert read_untold(store) == [LINE]
    assert LINE in make_plan(recipe).notes
    shown: list[Snapshot] = []
    with subscribe(shown.append):
        announce_untold(store, "second")  # It brought nothing in.
        announce_untold(store, "first")
    assert describe(shown[-1]) == f"names in tests: 3, done in 0 s, {LINE}"
    warned = [each.message for each in caplog.records if each.levelno == logging.WARNING]
    assert warned == [LINE]
