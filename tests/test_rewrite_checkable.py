"""Tasks made checkable: proofs, parts, steps, open tasks and code, and what their gates refuse."""

import time
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from itertools import islice

import orjson
import pytest

from tasks.assess.sandbox import sandbox_works
from tasks.recipe import ModelSettings
from tasks.rewrite.acceptance import find_refusal
from tasks.rewrite.candidate import Candidate, Parent, Refusal
from tasks.rewrite.program import evaluate
from tasks.rewrite.routes import find_parts
from tasks.rewrite.strategies import (
    Strategy,
    code_to_tests,
    decompose,
    instruction_reversal,
    multi_part,
    proof_to_answer,
    self_revision,
    word_problem,
)
from tasks.simulator.derived import load_derived

needs_sandbox = pytest.mark.skipif(not sandbox_works(), reason="needs bubblewrap")
MODEL = ModelSettings(model="m")
DIAGONALS = Parent(
    "p", "p", "math", "Show that a convex polygon with n corners has n(n - 3)/2 diagonals.",
    (), None, "open",
)  # fmt: skip
GARDEN = Parent(
    "p", "p", "math",
    "A garden is 18 metres long and 12 metres wide. (a) How many metres of fence go around it? "
    "(b) What is its area in square metres?",
    (), "(a) 60; (b) 216", "open",
)  # fmt: skip
CLUB = Parent(
    "p", "p", "math",
    "Of the 30 members of a club, 18 play football and 14 play chess; 6 do both. How many members "
    "do neither?",
    (), "4", "number", "n0 - (n1 + n2 - n3)",
)  # fmt: skip
ICE = Parent("p", "p", "science", "Explain why ice floats on water.", (), None, "open")
GAP = Parent(
    "p", "p", "code",
    "Write a Python function that returns the largest gap between neighbours in a list of numbers.",
    (), None, "open",
    reference="def largest_gap(numbers):\n    best = 0\n    for place in range(1, len(numbers)):\n"
    "        gap = numbers[place] - numbers[place - 1]\n        if gap > best:\n"
    "            best = gap\n    return best",
)  # fmt: skip
TESTED = replace(
    GAP,
    text="Write a Python function `largest_gap(numbers)` that returns the largest gap.",
    answer="largest_gap",
    answer_type="code",
    tests=("assert largest_gap([1, 5, 6]) == 4",),
)


def reason_of(strategy: Strategy, reply: Mapping[str, object], parent: Parent) -> str | None:
    """Return why a reply is refused, None if it passes."""
    read = strategy.read({"valid": True, **reply}, parent)
    refusal = read if isinstance(read, Refusal) else find_refusal(strategy.GATES, read, parent)
    return refusal.reason if refusal else None


ASKED = "How many diagonals does a convex polygon with 17 corners have?"


@pytest.mark.parametrize(
    ("text", "program", "answer", "expected"),
    [
        (ASKED, "17 * (17 - 3) / 2", "119", None),
        (ASKED, "17 * (17 - 3) / 2", "120", "key_mismatch"),
        (ASKED, "119", "119", "program_detached"),
        (ASKED, "18 * (18 - 3) / 2", "135", "data_missing"),
        (ASKED + " It has 119.", "17 * (17 - 3) / 2", "119", "answer_leaked"),
        (ASKED + " 14 of them end in each corner.", "17 * (17 - 3) / 2", "119", "easier"),
        (ASKED + " Explain why.", "17 * (17 - 3) / 2", "119", "still_open"),
        (ASKED + " Hint: count twice.", "17 * (17 - 3) / 2", "119", "easier"),
        (ASKED.replace("17", "several"), "17 * (17 - 3) / 2", "119", "data_changed"),
        (
            ASKED.replace("a convex", "the original problem's"),
            "17 * 14 / 2",
            "119",
            "not_self_contained",
        ),
        (ASKED + " See the figure above.", "17 * (17 - 3) / 2", "119", "not_self_contained"),
        (ASKED + " Use the previous result.", "17 * (17 - 3) / 2", "119", "not_self_contained"),
        (DIAGONALS.text, "17 * (17 - 3) / 2", "119", "unchanged"),
        ("Say: " + DIAGONALS.text, "17 * (17 - 3) / 2", "119", "near_copy"),
        ("How many euros do 17 shirts at 14 euros cost?", "17 * 14", "238", "drifted"),
        (ASKED.replace("17", "3"), "3 * (3 - 3) / 2", "0", "easier"),
        (ASKED, "17 / 3", "17/3", "endless_decimal"),
    ],
)
def test_a_proof_becomes_a_question_that_a_program_answers(
    text: str, program: str, answer: str, expected: str | None
) -> None:
    reply = {"problem": text, "program": program, "answer": answer}
    assert reason_of(proof_to_answer, reply, DIAGONALS) == expected


def test_parts_are_asked_for_one_by_one_and_agree_with_the_seeds_own_answers() -> None:
    assert find_parts(GARDEN.text) == ["a", "b"]
    assert multi_part.parts(GARDEN) == 2
    asked = orjson.loads(multi_part.messages(GARDEN, 1, MODEL)[1][1])
    assert (asked["part"], "216" in orjson.dumps(asked).decode()) == ("b", False)
    area = "A garden is 18 metres long and 12 metres wide. What is its area in square metres?"
    reply = {"part": "(b)", "problem": area, "program": "18 * 12", "answer": "216"}
    assert reason_of(multi_part, reply, GARDEN) is None
    assert reason_of(multi_part, {**reply, "part": "a"}, GARDEN) == "key_mismatch"
    assert reason_of(multi_part, {**reply, "part": "c"}, GARDEN) == "malformed"
    whole = {**reply, "problem": GARDEN.text + " Answer both."}
    assert reason_of(multi_part, whole, GARDEN) == "not_self_contained"
    assert reason_of(multi_part, reply, replace(GARDEN, answer=None)) is None


EITHER = "In a club 18 play football and 14 play chess; 6 do both. How many members play at all?"


@pytest.mark.parametrize(
    ("program", "answer", "rest", "expected"),
    [
        ("18 + 14 - 6", "26", "30 - step", None),
        ("18 + 14 - 6", "26", "31 - step", "key_mismatch"),
        ("18 + 14 - 6", "26", "4 + 0 * step", "program_detached"),
        ("18 + 14 - 6", "26", "30 - steps", "program_failed"),
        ("18 - 14", "4", "step", "near_copy"),
        ("26", "26", "30 - step", "program_detached"),
    ],
)
def test_a_step_is_one_if_the_rest_leads_from_it_to_the_answer(
    program: str, answer: str, rest: str, expected: str | None
) -> None:
    assert decompose.applies(CLUB)
    assert not decompose.applies(replace(CLUB, program="n0 - n1"))
    reply = {"problem": EITHER, "program": program, "answer": answer, "rest": rest}
    assert reason_of(decompose, reply, CLUB) == expected


POWERS = Parent(
    "p", "p", "math", r"Given $x^2 + y^2 = 25$ and $x y = 12$, find $x + y > 0$.", (), "7", "number"
)  # fmt: skip


@pytest.mark.parametrize(
    ("problem", "program", "expected"),
    [
        ("If $x^2 + y^2 = 25$ and $x y = 12$, what is $(x + y)^2$?", "25 + 2 * 12", None),
        ("How many legs have 12 spiders and 25 chairs?", "12 * 8 + 25 * 4", "drifted"),
        ("What is $8 a$ for $a = 31$?", "8 * 31", "drifted"),
    ],
)
def test_a_task_that_is_hardly_more_than_formulas_is_known_by_what_stands_in_them(
    problem: str, program: str, expected: str | None
) -> None:
    value = evaluate(program)
    reply: dict[str, object] = {
        "problem": problem,
        "program": program,
        "answer": str(value),
        "rest": f"7 + step - {value}",
    }
    assert reason_of(decompose, reply, POWERS) == expected


def test_a_draft_is_judged_and_a_version_without_faults_is_final() -> None:
    draft = {"valid": True, "faults": []}
    first = self_revision.follow_up(ICE, draft, 1)
    assert first is not None and orjson.loads(first)["rubric"] == list(self_revision.RUBRIC)
    assert self_revision.follow_up(ICE, draft, 2) is None
    assert self_revision.follow_up(ICE, {"valid": True, "faults": ["vague"]}, 2) is not None
    assert self_revision.follow_up(ICE, {"valid": False, "faults": []}, 1) is None


def test_what_only_the_rewriter_answers_waits_for_a_second_model() -> None:
    text = "Ice weighs 920 grams a litre, water 1000. What percentage of floating ice is under it?"
    reply = {"valid": True, "problem": text, "answer": "92", "answer_type": "text", "faults": []}
    assert self_revision.read(reply, ICE) == Candidate(text, "92", "92", "number", "confirmed")
    assert reason_of(self_revision, reply, ICE) is None
    wordy = {**reply, "answer": "because it is less dense than water"}
    assert reason_of(self_revision, wordy, ICE) == "bad_answer"
    assert reason_of(self_revision, {**reply, "answer": "yes"}, ICE) == "easier"


STORY = "Petrol stations are at kilometre 4, 19, 31 and 55. How far apart are two at most?"


@needs_sandbox
@pytest.mark.parametrize(
    ("text", "call", "answer", "expected"),
    [
        (STORY, "largest_gap([4, 19, 31, 55])", "24", None),
        (STORY, "largest_gap([4, 19, 31, 55])", "25", "key_mismatch"),
        (STORY, "largest_gap([4, 19, 31, 50])", "19", "data_missing"),
        (STORY + " Write a function.", "largest_gap([4, 19, 31, 55])", "24", "code_left"),
        (STORY + " It is 24.", "largest_gap([4, 19, 31, 55])", "24", "answer_leaked"),
        (STORY, "print(4)", "24", "bad_call"),
    ],
)
def test_a_word_problem_has_the_key_that_the_code_prints(
    text: str, call: str, answer: str, expected: str | None
) -> None:
    reply = {"problem": text, "call": call, "answer": answer}
    assert reason_of(word_problem, reply, TESTED) == expected


@needs_sandbox
def test_tests_are_what_the_solution_returns_and_must_notice_small_mistakes() -> None:
    calls = ["largest_gap([1, 5, 6])", "largest_gap([])", "largest_gap([9, 2])"]
    calls += ["largest_gap([0, 1, 8, 9])", "largest_gap([3, 4])"]
    reply = {"valid": True, "function": "largest_gap", "calls": calls}
    made = code_to_tests.read(reply, GAP)
    assert isinstance(made, Candidate)
    assert made.tests[0] == "assert largest_gap([1, 5, 6]) == 4"
    assert made.text.endswith("Define it as `largest_gap(numbers)`.")
    assert (made.answer, made.answer_type, made.answer_source) == (
        *("largest_gap", "code", "execution"),
    )
    assert find_refusal(code_to_tests.GATES, made, GAP) is None
    assert reason_of(code_to_tests, {**reply, "calls": calls[:3]}, GAP) == "weak_tests"
    dull = [f"largest_gap([{number}])" for number in range(5)]
    assert reason_of(code_to_tests, {**reply, "calls": dull}, GAP) in ("weak_tests", "easier")
    assert reason_of(code_to_tests, {**reply, "calls": ["largest_gap(7)"]}, GAP) == "program_failed"
    assert code_to_tests.applies(GAP) and not code_to_tests.applies(TESTED)


def test_a_solution_is_spoilt_in_one_place_at_a_time() -> None:
    code = (
        "def last(x):\n    if not x or len(x) < 1:\n        return None\n    return x[len(x) - 1]"
    )
    assert list(code_to_tests.mutate(code)) == [
        code.replace("not x", "+x"),
        code.replace("<", "<="),
        code.replace("len(x) - 1", "len(x) + 1"),
        code.replace("< 1", "< 2"),
        code.replace("- 1", "- 2"),
    ]


def test_the_first_changes_of_a_long_solution_are_made_at_once() -> None:
    code = "def total(x):\n    return " + " + ".join(f"{number} * x" for number in range(300))
    began = time.process_time()
    first = list(islice(code_to_tests.mutate(code), 2))
    assert time.process_time() - began < 0.5
    assert first == [code.replace("+ 299 * x", "- 299 * x"), code.replace("+ 298 * x", "- 298 * x")]


@needs_sandbox
@pytest.mark.parametrize(
    ("body", "test", "expected"),
    [
        ("return s.upper()", "assert loud('a') == 'A'", None),
        ("return s.upper()", "assert loud('a') != 'b'", "0 of 1 changed solutions fail"),
        ("if s:\n        return s.upper()\n    return s", "assert loud('a') == 'A'",
         "1 of 2 changed solutions fail"),
        ("print(s.upper())", "assert loud('a') is None",
         "nothing in the solution can be changed to try the tests on"),
        ("return None", "assert loud('a') is None",
         "nothing in the solution can be changed to try the tests on"),
    ],
)  # fmt: skip
def test_where_no_small_mistake_can_be_made_tests_notice_what_returns_nothing(
    body: str, test: str, expected: str | None
) -> None:
    parent = replace(GAP, reference=f"def loud(s):\n    {body}")
    made = Candidate("", "loud", "loud", "code", "execution", tests=(test,))
    refusal = code_to_tests.refuse_blind_tests(made, parent)
    assert refusal == (Refusal("weak_tests", expected) if expected else None)


@needs_sandbox
def test_an_instruction_tells_the_name_and_not_the_code() -> None:
    asked = orjson.loads(instruction_reversal.messages(TESTED, 0, MODEL)[1][1])
    assert set(asked) == {"strategy", "code", "function", "variant"}
    text = "Define `largest_gap(numbers)`, which gives how far neighbours lie apart at most."
    assert reason_of(instruction_reversal, {"problem": text}, TESTED) is None
    made = instruction_reversal.read({"valid": True, "problem": text}, TESTED)
    assert isinstance(made, Candidate) and made.tests == TESTED.tests
    unnamed = {"problem": text.replace("largest_gap", "gap")}
    assert reason_of(instruction_reversal, unnamed, TESTED) == "data_missing"
    told = {"problem": text + " Compute numbers[place] - numbers[place - 1] as gap = "
            "numbers[place] - numbers[place - 1]."}  # fmt: skip
    assert reason_of(instruction_reversal, told, TESTED) == "answer_leaked"
    copied = {"problem": TESTED.text + " Thanks."}
    assert reason_of(instruction_reversal, copied, TESTED) == "near_copy"


@needs_sandbox
def test_the_function_is_the_one_that_the_tests_speak_of_where_no_answer_names_it() -> None:
    unnamed = replace(TESTED, answer=None)
    assert instruction_reversal.applies(unnamed)
    asked = orjson.loads(instruction_reversal.messages(unnamed, 0, MODEL)[1][1])
    assert asked["function"] == "largest_gap"
    made = instruction_reversal.read({"valid": True, "problem": "Define `largest_gap`."}, unnamed)
    assert isinstance(made, Candidate) and made.answer == "largest_gap"
    for tests in (("assert 1",), ("not Python",), ('{"call": "gap", "returns": 1}',)):
        assert not instruction_reversal.applies(replace(unnamed, tests=tests))
    code = f"{TESTED.reference}\n\ndef other(x):\n    return x"
    both = replace(unnamed, reference=code, tests=("assert other(largest_gap([1])) == 0",))
    assert not instruction_reversal.applies(both)


def test_of_a_function_that_is_defined_twice_the_later_one_is_described() -> None:
    twice = "def area(side):\n    return side\n\ndef area(width, height):\n    return width"
    assert code_to_tests.describe_function(twice, "area") == "Define it as `area(width, height)`."


@needs_sandbox
def test_what_is_no_finite_number_cannot_be_told_in_a_story() -> None:
    reply = {"problem": STORY, "call": "largest_gap([4, 1e999, 0.0])", "answer": "inf"}
    assert reason_of(word_problem, reply, TESTED) in {"bad_answer", "data_missing"}
    finite = replace(TESTED, reference="def largest_gap(x):\n    a = 1\n    b = 2\n    return 24")
    assert reason_of(word_problem, {**reply, "answer": "24"}, finite) == "data_missing"


def test_what_the_simulator_derives_has_the_answer_that_its_program_computes() -> None:
    derived = load_derived()
    assert {strategy for _, strategy, _ in derived} == {
        *("proof_to_answer", "multi_part", "decompose", "self_revision", "word_problem"),
        "code_to_tests",
    }
    for known in derived.values():
        said = known.said
        if "program" in said:
            assert Fraction(evaluate(said["program"])) == Fraction(evaluate(said["answer"])), said
        if "tests" in said:
            names: dict[str, object] = {}
            exec(said["reference"], names)
            for test in said["tests"]:
                exec(test, names)
