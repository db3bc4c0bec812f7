"""Code tasks that are the beginning of a program: solutions are made whole, checks are called."""

from typing import Any

import pytest

from tasks.ingest.completions import call_check, complete_reference
from tasks.ingest.rows import QuarantinedRow, RawRow
from tasks.ingest.seeds import Seed, parse_seed
from tasks.recipe import SeedSource

BEGUN = 'def double(x):\n    """Twice x."""\n'
REST = "    return 2 * x\n"
CHECK = "NAME = 'test'\n\n\ndef check(candidate):\n    assert candidate(2) == 4\n"


def parse(**changes: object) -> Seed | QuarantinedRow:
    values = {"prompt": BEGUN, "canonical_solution": REST, "test": CHECK, "entry_point": "double"}
    source = SeedSource.model_validate(
        {"path": "f.jsonl", "columns": {"tests": "test", "reference": "canonical_solution"}}
    )
    return parse_seed(RawRow("f.jsonl", 1, values={**values, **changes}), source)


def test_a_row_of_humaneval_has_tests_that_can_fail_and_a_whole_solution() -> None:
    seed = parse()
    assert isinstance(seed, Seed)
    assert seed.tests == (f"{CHECK}\ncheck(double)",)
    assert seed.reference == BEGUN + REST
    names: dict[str, object] = {}
    exec(f"{seed.reference}\n{seed.tests[0]}", names)
    with pytest.raises(AssertionError):
        exec(f"def double(x):\n    return x\n{seed.tests[0]}", names)


@pytest.mark.parametrize(
    "entry_point",
    [None, "double(3)", ""],
)
def test_tests_that_every_answer_would_pass_set_their_row_aside(entry_point: str | None) -> None:
    row = parse(entry_point=entry_point)
    assert isinstance(row, QuarantinedRow)
    assert row.reason == "bad_tests" and "every answer passes" in row.detail


@pytest.mark.parametrize(
    "tests",
    [
        ["assert double(2) == 4"],
        ["import math", "assert double(2) == 4"],
        [f"{CHECK}\ncheck(double)"],
        ["for n in range(3):\n    assert double(n) == 2 * n"],
        ['{"call": "double", "arguments": [2], "returns": 4}'],
        ["not Python at all"],
    ],
)
def test_tests_that_run_something_stay_as_they_are(tests: list[str]) -> None:
    assert call_check(tests, "double") == tests
    assert call_check(tests, None) == tests


@pytest.mark.parametrize("tests", [["# none yet"], ["pass"], ["", "import math"]])
def test_tests_that_run_nothing_are_refused(tests: list[str]) -> None:
    with pytest.raises(ValueError, match="run nothing"):
        call_check(tests, "double")


@pytest.mark.parametrize("tests", ["", " \n", [], ["", "  "], {"inputs": [], "outputs": []}, "[]"])
def test_tests_that_say_nothing_are_none(tests: Any) -> None:
    row = RawRow("s.jsonl", 1, {"prompt": "2 + 2?", "answer": "4", "tests": tests})
    seed = parse_seed(row, SeedSource(path="s.jsonl"))
    assert isinstance(seed, Seed) and (seed.tests, seed.answer_type) == (None, "number")


def test_only_what_a_check_can_be_called_with_is_called() -> None:
    with pytest.raises(ValueError, match="nobody calls"):
        call_check(["def verify(candidate):\n    assert candidate(2) == 4"], "double")
    with pytest.raises(ValueError, match="nobody calls"):
        call_check(["class Tests(TestCase):\n    def test(self):\n        assert 1"], "double")


def test_a_solution_that_is_whole_or_no_continuation_stays_as_it_is() -> None:
    whole = BEGUN + REST
    assert complete_reference(whole, BEGUN, "double") == whole
    assert complete_reference(REST, "Write a function that doubles.", "double") == REST
    assert complete_reference(REST, BEGUN, None) == REST
    assert complete_reference(None, BEGUN, "double") is None
