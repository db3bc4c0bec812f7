"""The simulator knows its items: programs, prompts and their answers."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.simulator.answer_key import AnswerKey
from tasks.simulator.derivation import derive_program
from tasks.simulator.items import read_item
from tasks.simulator.models import difficulty
from tasks.simulator.programs import evaluate, find_numbers, parse_number, parse_program
from tasks.simulator.replies import write_reply
from tasks.simulator.settings import read_settings
from tasks.simulator.wording import split_options
from tests.simulated import BAKER, CLIPS, FORCE, ROWS, SURE, boxed, key_of


def test_a_program_is_computed_exactly() -> None:
    numbers = find_numbers("He pays $1,200.50 for 3 items, then 1/3 of it.")
    assert numbers == (Fraction("1200.5"), Fraction(3), Fraction(1), Fraction(3))
    program = parse_program("n0 * n1 + n2 / n3")
    assert program and evaluate(program, numbers) == Fraction("3601.5") + Fraction(1, 3)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("comb(n0, 2)", 66),
        ("floor(n1 / 2) + ceil(n1 / 2)", 9),
        ("sqrt(n0 * 3)", 6),
        ("lcm(n0, n1) - gcd(n0, n1)", 33),
        ("n0 // 5 + n0 % 5 + 2 ** 3", 12),
        ("max(n0, n1, 40) - min(n0, n1) + abs(-2) + factorial(3)", 39),
        ("7 ** 100 % 10", 1),
        ("Fraction(n0, 8) + round(n1 / 2)", Fraction(11, 2)),
    ],
)
def test_every_allowed_function_has_its_value(source: str, value: Fraction) -> None:
    program = parse_program(source)
    assert program and evaluate(program, (Fraction(12), Fraction(9))) == value


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("x2 and 3x and 1.2.3 and ٣", ()),
        ("1,200 of 12,34 and .5", (1200, 12, 34)),
        ("9" * 2000, (0,)),
        ("5.50. 7%", (Fraction("5.5"), 7)),
    ],
)
def test_numbers_are_what_the_contract_says(text: str, numbers: tuple[Fraction, ...]) -> None:
    assert find_numbers(text) == numbers


@pytest.mark.parametrize(
    "source",
    ["__import__('os')", "n0.real", "[n0]", "lambda: 1", "n0 if n1 else 2", "'a' * 9", "1 +", ""],
)
def test_anything_but_arithmetic_is_no_program(source: str) -> None:
    program = parse_program(source)
    assert program is None or evaluate(program, (Fraction(1), Fraction(2))) is None


@pytest.mark.parametrize("source", ["1/0", "9**9**9", "factorial(10**9)", "n7", "sqrt(2)"])
def test_a_program_without_a_value_has_none(source: str) -> None:
    program = parse_program(source)
    assert program and evaluate(program, (Fraction(1),)) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3,600", 3600),
        ("$\\frac{1}{2}$", Fraction(1, 2)),
        ("-\\dfrac{3}{4}", Fraction(-3, 4)),
        ("0.50", Fraction(1, 2)),
        ("\\$18", 18),
        ("1/0", None),
        ("x + 1", None),
        ("", None),
    ],
)
def test_answers_are_read_as_numbers(text: str, value: Fraction | None) -> None:
    assert parse_number(text) == value


def test_a_program_is_derived_from_calculator_annotations() -> None:
    solution = CLIPS["answer"].split("\n####")[0]
    program = derive_program(CLIPS["question"], solution, "72")
    assert program and program.source == "n0+(n0/2)"


@pytest.mark.parametrize(
    ("text", "solution"),
    [
        ("He has 5 boxes of some pens.", "<<5*17=85>>"),  # 17 comes from nowhere
        ("He has 5 and finds 10 more.", "<<5*2=10>> <<10+75=85>>"),  # 10 is a result or a number
        ("He has 5 boxes of 17 pens.", "<<5*17=86>>"),  # does not compute
        ("He has 5 boxes of 17 pens.", "5*17=85"),  # not annotated
    ],
)
def test_what_cannot_be_traced_gives_no_program(text: str, solution: str) -> None:
    assert derive_program(text, solution, "85") is None


def test_a_prompt_is_found_word_for_word_whatever_its_spaces() -> None:
    question = key_of(*ROWS).find(BAKER["prompt"].replace(" ", "  ") + "\n")
    assert question.item and question.item.item_id == "math-0001"
    assert question.answer == "73"


def test_new_numbers_have_a_new_answer() -> None:
    prompt = "A baker fills 14 trays with 8 rolls each and sells 31 rolls. "
    question = key_of(*ROWS).find(prompt + "How many rolls are left?")
    assert (question.answer, question.is_rewrite) == ("81", True)


def test_new_numbers_in_a_problem_with_annotations_have_a_new_answer() -> None:
    question = key_of(*ROWS).find(CLIPS["question"].replace("48", "60"))
    assert question.answer == "90"


def test_a_derived_program_is_not_applied_where_it_could_be_ambiguous() -> None:
    row = {
        "question": "A room has 4 rows of 4 seats. 3 doors are open. How many seats are there?",
        "answer": "<<4*4=16>>16 seats #### 16",
    }
    key = key_of(row)
    assert key.find(row["question"].replace("4", "5")).answer == "25"
    assert key.find(row["question"].replace("4 rows of 4", "5 rows of 6")).item is None
    assert key.find(row["question"].replace("3 doors", "2 doors")).item is None


def test_shuffled_options_move_the_right_letter() -> None:
    prompt = FORCE["prompt"] + "\n\nA. newton\nB. joule\nC. pascal\nD. watt"
    assert key_of(*ROWS).find(prompt).answer == "A"


def test_without_options_the_answer_is_the_right_option() -> None:
    for prompt in (FORCE["prompt"], "What is the unit of force? Give the exact answer."):
        question = key_of(*ROWS).find(prompt)
        assert (question.answer, question.answer_type) == ("newton", "text")


def test_questions_with_the_same_words_are_told_apart_by_their_options() -> None:
    one = {"prompt": "Which is larger?", "choices": ["1", "2"], "answer": "B"}
    other = {"prompt": "Which is larger?", "choices": ["9", "4"], "answer": "A"}
    assert key_of(one, other).find("Which is larger?\n\nA. 4\nB. 9").answer == "B"


def test_instructions_around_the_problem_are_seen_through() -> None:
    prompt = f"Solve this problem.\n\n{BAKER['prompt']}\n\nThink step by step."
    assert key_of(*ROWS).find(prompt).answer == "73"


def test_a_leaked_answer_makes_a_problem_easier() -> None:
    key = key_of(*ROWS)
    plain, leaked = (
        key.find(BAKER["prompt"]),
        key.find(BAKER["prompt"] + " (Hint: the answer is 73.)"),
    )
    assert leaked.answer == "73"
    assert difficulty(0, leaked) == pytest.approx(difficulty(0, plain) - 3)


def test_a_prompt_of_nothing_but_tails_is_just_unknown() -> None:
    assert key_of(FORCE).find("Give the exact answer. " * 5000).item is None


def test_models_agree_on_a_problem_that_no_item_explains() -> None:
    question = key_of(*ROWS).find("How many hairs has a very unusual cat?")
    models = read_settings({"models": {"one": SURE, "other": {**SURE, "family": "b"}}}).models
    answers = {
        boxed(write_reply(0, name, models[name], question, f"{sample}").content)
        for name in ("one", "other")
        for sample in range(20)
    }
    assert question.item is None
    assert len(answers) == 1


def test_a_coding_task_without_an_answer_is_called_by_what_its_tests_call() -> None:
    row = {"prompt": "Write a function to double.", "tests": ["assert twice(2) == 4"]}
    item = read_item({**row, "reference": "def twice(x):\n    return 2 * x"})
    assert (item.answer, item.answer_type) == ("twice", "code")


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ({"answer": "1"}, "no text"),
        ({"prompt": "2+2?"}, "no answer"),
        (
            {"prompt": "?", "answer": "E", "choices": ["a", "b"]},
            "not the letter of one of 2 choices",
        ),
    ],
)
def test_a_row_that_cannot_be_used_says_why(row: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        read_item(row)


def test_other_peoples_rows_are_read_as_they_are() -> None:
    assert read_item(CLIPS).answer == "72"
    assert read_item({"question": "?", "choices": ["a", "b", "c"], "answer": 2}).answer == "C"
    assert read_item({"problem": "p", "answer": "\\frac{1}{2}", "level": "Level 4"}).level == 4
    assert read_item({"problem": "p", "answer": "x^2"}).answer_type == "expression"


@given(
    st.lists(st.text("abcxyz 1=", min_size=1, max_size=9).filter(str.strip), min_size=2, max_size=9)
)
def test_options_are_split_from_the_question(options: list[str]) -> None:
    lines = [f"{chr(65 + place)}. {option}" for place, option in enumerate(options)]
    stripped = tuple(option.strip() for option in options)
    assert split_options("\n".join(["What?", "", *lines])) == ("What?", stripped)


def test_the_bundled_seeds_are_understood() -> None:
    paths = sorted((Path(__file__).parents[1] / "seeds").glob("*.jsonl"))
    assert len(paths) == 4
    for path in paths:
        for line in path.read_bytes().splitlines():
            row = orjson.loads(line)
            item = read_item(row)
            key = AnswerKey([item])
            question = key.find(row["prompt"])
            assert question.item is item, row["id"]
            if item.program:
                assert key.program_of(item) is not None, row["id"]


def test_most_of_gsm8k_can_be_rewritten(shared_data: Path) -> None:
    path = shared_data / "seeds" / "gsm8k_train.jsonl"
    rows = [orjson.loads(line) for line in path.read_bytes().splitlines()[:400]]
    key = key_of(*rows)
    derived = [item for item in key.items.values() if key.program_of(item)]
    assert len(derived) > 220
    for item in derived[:100]:
        question = key.question_of(item)
        program = key.program_of(item)
        assert program and evaluate(program, question.numbers) == parse_number(item.answer)
