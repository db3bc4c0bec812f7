"""The bundled seeds are right, and their check names file, row and reason of whatever is not."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seeds.check import FOLDER, find_problems, main, read_places
from seeds.check_value import agrees

Row = dict[str, Any]
Change = Callable[[Row], object]


def make_row(domain: str, answer_type: str, **fields: Any) -> Row:
    """One sound row of the given kind; `fields` are filled in at their place."""
    row: Row = {
        "id": f"{domain}-0007",
        "domain": domain,
        "prompt": "",
        "choices": None,
        "answer": "",
        "answer_type": answer_type,
        "program": None,
        "solution": "It is worked out here.",
        "tests": None,
        "reference": None,
        "level": 2,
        "licence": "Apache-2.0",
        "source": "teachset-seeds",
    }
    return row | fields


NUMBER = make_row(
    "math", "number", prompt="What are 12 times 9?", answer="108", program="n0 * n1", check="9 * 12"
)
EXPRESSION = make_row(
    "math", "expression", prompt="Reduce 9/21.", answer=r"\frac{3}{7}", check="9/21"
)
CHOICE = make_row(
    "math", "choice", prompt="Half of 9?", choices=["4", "4.5", "5"], answer="B", check="9/2"
)
FUNCTION = make_row(
    "code",
    "code",
    prompt="Write a Python function `double(n: int) -> int` that returns twice n.",
    answer="double",
    tests=[f"assert double({n}) == {2 * n}" for n in range(5)],
    reference="def double(n):\n    return 2 * n\n",
)
OUTPUT = make_row(
    "code", "text", prompt="What is printed?\n\n```python\nprint(1, 2)\n```", answer="1 2"
)
PICK = make_row(
    "code",
    "choice",
    prompt="What is printed?\n\n```python\nprint(3)\n```",
    choices=["1", "2", "3"],
    answer="C",
)


@pytest.fixture
def check_rows(tmp_path: Path) -> Callable[..., list[str]]:
    """Write rows to `seeds/<domain>.jsonl` and return the problems."""

    def check(*rows: Row) -> list[str]:
        path = tmp_path / "seeds" / f"{rows[0]['domain']}.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return find_problems([path])

    return check


@pytest.mark.slow
def test_shipped_seeds_have_no_problem(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0, capsys.readouterr().out
    printed = capsys.readouterr().out
    assert "seeds, no problems" in printed
    assert "\nmath: " in printed and "\ncode: " in printed


def test_shipped_seeds_cover_levels_and_answer_types() -> None:
    rows = [place.row for place in read_places(FOLDER / "math.jsonl")[0]]
    code = [place.row for place in read_places(FOLDER / "code.jsonl")[0]]
    assert len(rows) >= 150
    assert len(code) >= 75
    assert sum(row["program"] is not None for row in rows) >= 90
    for level in range(1, 6):
        assert sum(row["level"] == level for row in rows) >= 0.15 * len(rows)
        assert sum(row["level"] == level for row in code) >= 0.15 * len(code)
    assert {row["answer_type"] for row in rows} == {"number", "expression", "choice", "open"}
    assert {row["answer_type"] for row in code} == {"code", "text", "number", "choice", "open"}


@pytest.mark.parametrize("row", [NUMBER, EXPRESSION, CHOICE, FUNCTION, OUTPUT, PICK])
def test_sound_row_passes(row: Row, check_rows: Callable[..., list[str]]) -> None:
    assert check_rows(row) == []


FAULTS: list[tuple[str, Row, Change, str]] = [
    ("field", NUMBER, lambda r: r.pop("level"), "has the fields id, domain"),
    ("order", NUMBER, lambda r: r.update(id=r.pop("id")), "expected id, domain, prompt"),
    ("id", NUMBER, lambda r: r.update(id="math-7"), "id is 'math-7', expected math- and four"),
    ("domain", NUMBER, lambda r: r.update(domain="code"), "domain is 'code', expected 'math'"),
    ("level", NUMBER, lambda r: r.update(level=6), "level is 6, expected 1 to 5"),
    ("no bool level", NUMBER, lambda r: r.update(level=True), "level is True, expected 1 to 5"),
    ("licence", NUMBER, lambda r: r.update(licence=""), "licence is '', expected text"),
    ("source", NUMBER, lambda r: r.update(source=None), "source is None, expected text"),
    ("answer", NUMBER, lambda r: r.update(answer=108), "answer is 108, expected text"),
    ("solution", NUMBER, lambda r: r.update(solution=None), "solution is None, expected text"),
    ("type", NUMBER, lambda r: r.update(answer_type="int"), "answer_type is 'int', expected one"),
    ("stray choices", NUMBER, lambda r: r.update(choices=["1"]), "choices is given, expected it"),
    ("no number", NUMBER, lambda r: r.update(answer="many"), "answer is 'many', expected a number"),
    ("program", NUMBER, lambda r: r.update(program="n0 + n1"), "the program gives 21, expected"),
    ("variable", NUMBER, lambda r: r.update(program="n2"), "program cannot be computed: 'n2' is"),
    ("check", NUMBER, lambda r: r.update(check="107"), "the check gives 107, expected the answer"),
    ("unproved", NUMBER, lambda r: r.update(program=None, check=None), "neither program nor check"),
    ("expression", EXPRESSION, lambda r: r.update(check="9/20"), "is not the value of check, exp"),
    ("no sympy", EXPRESSION, lambda r: r.update(check="9/("), "check cannot be computed by sympy"),
    ("letter", CHOICE, lambda r: r.update(answer="D"), "answer is 'D', expected a letter A to C"),
    ("wrong letter", CHOICE, lambda r: r.update(answer="A"), "check agrees with B, expected A"),
    ("same option", CHOICE, lambda r: r.update(choices=["4", "5", "5"]), "two choices are the"),
    ("two right", CHOICE, lambda r: r.update(choices=["9/2", "4.5", "5"]), "agrees with A, B, exp"),
    ("unproved choice", CHOICE, lambda r: r.update(check=None), "has no check, expected"),
    ("few tests", FUNCTION, lambda r: r["tests"].pop(), "has 4 tests, expected at least 5"),
    (
        "no assert",
        FUNCTION,
        lambda r: r["tests"].append("double(3)"),
        "test 6 is 'double(3)', expected one assert that calls double",
    ),
    (
        "wrong reference",
        FUNCTION,
        lambda r: r.update(reference="def double(n):\n    return n\n"),
        "the reference fails test 2 (AssertionError), expected it to pass: assert double(1) == 2",
    ),
    (
        "broken reference",
        FUNCTION,
        lambda r: r.update(reference="def double(n) return"),
        "the reference cannot be run (SyntaxError",
    ),
    (
        "toothless tests",
        FUNCTION,
        lambda r: r.update(tests=["assert double(1) or True"] * 5),
        "a function that returns None passes 5 of 5 tests",
    ),
    ("unnamed", FUNCTION, lambda r: r.update(prompt="Double n."), "does not name `double`"),
    ("no reference", FUNCTION, lambda r: r.update(reference=None), "reference is null, expected"),
    ("output", OUTPUT, lambda r: r.update(answer="12"), "the snippet prints '1 2', expected the"),
    ("no snippet", OUTPUT, lambda r: r.update(prompt="1 2?"), "has 0 ```python blocks, expected"),
    ("option", PICK, lambda r: r.update(answer="A"), "the snippet prints '3', expected the answer"),
]


@pytest.mark.parametrize(
    ("row", "change", "reason"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS]
)
def test_planted_fault_is_reported(row: Row, change: Change, reason: str, tmp_path: Path) -> None:
    broken: Row = json.loads(json.dumps(row))
    change(broken)
    path = tmp_path / "seeds" / f"{row['domain']}.jsonl"
    path.parent.mkdir()
    path.write_text(json.dumps(broken) + "\n", encoding="utf-8")
    problems = find_problems([path])
    assert problems
    assert reason in problems[0]
    place = f"seeds/{path.name}:1 ({broken['id']}): "
    assert [line for line in problems if not line.startswith(place)] == []


def test_order_and_repeated_ids_are_reported(check_rows: Callable[..., list[str]]) -> None:
    earlier = NUMBER | {"id": "math-0003", "prompt": "What are 27 times 4?"}
    again = NUMBER | {"prompt": "How much are 36 times 3?"}
    assert check_rows(NUMBER, again, earlier) == [
        "seeds/math.jsonl:2 (math-0007): has the id of the row before, expected a new one",
        "seeds/math.jsonl:3 (math-0003): comes after math-0007, "
        "expected the rows in the order of id",
    ]


def test_same_prompt_and_fourth_clone_are_reported(check_rows: Callable[..., list[str]]) -> None:
    pairs = [(12, 9), (27, 4), (36, 3), (54, 2)]
    clones = [
        NUMBER | {"id": f"math-000{index}", "prompt": f"What are {a} times {b}?"}
        for index, (a, b) in enumerate(pairs)
    ]
    shouted = NUMBER | {"id": "math-0009", "prompt": "WHAT are  12 times 9"}
    assert check_rows(*clones, shouted) == [
        "seeds/math.jsonl:4 (math-0003): is the fourth prompt that differs in its numbers only, "
        "expected 3",
        "seeds/math.jsonl:5 (math-0009): has the prompt of math-0000, expected a prompt of its own",
    ]


def test_line_that_is_no_object_and_missing_file(tmp_path: Path) -> None:
    (tmp_path / "math.jsonl").write_text("[1]\n{\n", encoding="utf-8")
    problems = find_problems([tmp_path / "math.jsonl", tmp_path / "absent.jsonl"])
    assert [problem.split("): ")[-1] for problem in problems[:2]] == [
        "is not JSON, expected one object a line"
    ] * 2
    assert "absent.jsonl: cannot be read" in problems[2]


def test_problems_are_printed_and_end_with_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "math.jsonl"
    path.write_text(json.dumps(NUMBER | {"answer": "107"}) + "\n", encoding="utf-8")
    assert main([str(path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "(math-0007): the program gives 108, expected the answer 107" in lines[0]
    assert lines[-1] == "2 problems"


@pytest.mark.parametrize(
    ("latex", "check", "same"),
    [
        (r"2\sqrt{3}", "sqrt(12)", True),
        ("x^2-4x+3", "(x - 1)*(x - 3)", True),
        ("x^2-4x+3", "(x - 1)*(x - 4)", False),
        ("[2,5)", "Interval.Ropen(2, 5)", True),
        ("[2,5]", "Interval.Ropen(2, 5)", False),
        (r"\{1,2\}", "FiniteSet(2, 1)", True),
        ("44%", "11/25", True),
    ],
)
def test_written_answer_is_compared_as_mathematics(latex: str, check: str, same: bool) -> None:
    assert agrees(latex, check) is same
