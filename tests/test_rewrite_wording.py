"""The gates on wording and soundness one by one: what passes, what is refused and why."""

from dataclasses import replace
from typing import Any

import pytest

from tasks.rewrite import same_task, soundness
from tasks.rewrite.acceptance import find_refusal
from tasks.rewrite.candidate import Candidate, Parent
from tasks.rewrite.strategies import paraphrase

BAKER = Parent(
    prompt_id="p1",
    root_id="p1",
    domain="math",
    text="A baker fills 12 trays with 9 rolls each and sells 35 rolls. How many rolls are left?",
    choices=(),
    answer="73",
    answer_type="number",
    program="n0 * n1 - n2",
)
WORDED = "12 trays with 9 rolls each come out of an oven. Once 35 are sold, what number remains?"


def worded(text: str, **changes: Any) -> Candidate:
    made = Candidate(text, "73", "73", "number", "gold")
    return replace(made, **changes)


def reason(text: str, parent: Parent = BAKER) -> str | None:
    refusal = find_refusal(paraphrase.GATES, worded(text), parent)
    return refusal.reason if refusal else None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (WORDED, None),
        (BAKER.text, "unchanged"),
        (BAKER.text.replace("?", "??"), "near_copy"),
        (BAKER.text.replace("fills", "loads"), "near_copy"),
        (WORDED.replace("12", "13"), "data_changed"),
        (WORDED.replace("12 trays", "twelve trays"), None),
        (WORDED.replace("Once 35 are sold, ", ""), "data_changed"),
        (WORDED.replace("35", "several"), "data_changed"),
        (WORDED.replace(" each", ""), "condition_changed"),
        (WORDED.replace("sold", "not sold"), "condition_changed"),
        (WORDED + " Hint: multiply.", "easier"),
        (WORDED + " The answer is 73.", "answer_leaked"),
        (WORDED.replace("12", "73 or 12"), "answer_leaked"),
        (WORDED + "\nA. 74\nB. 72", "options_left"),
        (WORDED.replace("what number remains", "name a possible rest"), "not_unique"),
        (WORDED.replace(".", " while the birds sing and the sun is up, " * 4, 1), "drifted"),
    ],
)
def test_a_paraphrase_keeps_everything_but_the_words(text: str, expected: str | None) -> None:
    assert reason(text) == expected


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("Solve $2x = 8$ for $x$.", "For which $x$ is $2x = 8$ true?", None),
        ("Solve $2x = 8$ for $x$.", "For which $x$ is $2x = 9$ true?", "data_changed"),
        ("Solve $2x = 8$ for $x$.", "For which $x$ is $2 x=8$ true?", None),
        (r"Expand \(a - b\).", r"What is \(a - b\) expanded?", None),
        (r"Expand \(a - b\).", r"What is \(a + b\) expanded?", "data_changed"),
        ("Solve\n\\[\nx = y\n\\]", "What solves\n\\[\nx = y\n\\]", None),
        ("Solve\n\\[\nx = y\n\\]", "What solves\n\\[\nx = -y\n\\]", "data_changed"),
        ("Fill fifteen seats.", "Take fifteen seats.", None),
        ("Fill fifteen seats.", "Take sixteen seats.", "data_changed"),
        ("Fill 21 seats.", "Take twenty-one seats.", None),
        ("Fill twenty-one seats.", "Take twenty-two seats.", "data_changed"),
        ("How heavy is H2O, in grams?", "State the weight of H2O in grams.", None),
        ("How heavy is H2O, in grams?", "State the weight of HO2 in grams.", "data_changed"),
        ("How heavy is H2O, in grams?", "State the weight of H2O in litres.", "data_changed"),
        ("What is the largest divisor?", "Which divisor is the greatest?", None),
        ("What is the largest divisor?", "Which divisor is the smallest?", "condition_changed"),
        ("How many distinct sums exist?", "Count the different sums.", None),
        ("How many distinct sums exist?", "Count the sums.", "condition_changed"),
        ("Add 1/2 and 1/3. Give a fraction.", "What do 1/2 and 1/3 make? Give a fraction.", None),
        ("Add 1/2 and 1/3. Give a fraction.", "What do 1/2 and 1/3 make?", "form_lost"),
    ],
)
def test_data_conditions_and_form_are_compared_by_what_they_say(
    before: str, after: str, expected: str | None
) -> None:
    gates = (
        same_task.refuse_changed_data,
        same_task.refuse_changed_condition,
        same_task.refuse_lost_form,
    )
    refusal = find_refusal(gates, worded(after, answer="9"), replace(BAKER, text=before))
    assert (refusal.reason if refusal else None) == expected


def with_numbers(text: str, program: str) -> Candidate:
    return worded(text, program=program, answer_source="execution")


@pytest.mark.parametrize(
    ("gate", "text", "program", "expected"),
    [
        (soundness.refuse_stated_step, "12 trays of 9 are 108, less 35.", "12 * 9 - 35", "easier"),
        (soundness.refuse_stated_step, "14, 8 and 31 rolls.", "14 * 8 - 31", None),
        (soundness.refuse_trivial_numbers, "1 tray, 9 rolls, 35 sold", "1 * 9 - 35", "easier"),
        (soundness.refuse_trivial_numbers, "2 trays, 3 rolls, 4 sold", "2 * 3 - 4", None),
        (soundness.refuse_trivial_numbers, "20 trays, 9 rolls, 40 sold", "20 * 9 - 40", None),
        (soundness.refuse_trivial_program, "", "14 - 31", None),
        (soundness.refuse_trivial_program, "", "81", "easier"),
        (soundness.refuse_missing_data, "14 trays and 8 rolls", "14 * 8", "data_changed"),
        (soundness.refuse_missing_data, "14 trays, 8 rolls, 31 sold", "14 * 8 - 31", None),
    ],
)
def test_new_numbers_are_as_hard_and_as_many_as_the_parents(
    gate: Any, text: str, program: str, expected: str | None
) -> None:
    refusal = gate(with_numbers(text, program), BAKER)
    assert (refusal.reason if refusal else None) == expected


def test_a_fraction_of_the_statement_is_no_stated_step() -> None:
    parent = replace(BAKER, text="Of 12 rolls 1/3 are sold. How many?", program="n0 * n1 / n2")
    rewrite = with_numbers("Of 16 rolls 1/2 are sold. How many?", "16 * (1 / 2)")
    assert soundness.refuse_stated_step(rewrite, parent) is None


def test_a_sentence_that_the_options_ended_has_to_become_a_question() -> None:
    parent = replace(
        BAKER, text="The planet closest to the Sun is", choices=("Mars", "Mercury"), answer="B"
    )
    left = worded("The planet closest to the Sun is Give its name.", answer="Mercury")
    asked = worded("Which planet is closest to the Sun? Give its name.", answer="Mercury")
    refusal = soundness.refuse_unfinished(left, parent)
    assert refusal is not None
    assert refusal.reason == "unfinished"
    assert soundness.refuse_unfinished(asked, parent) is None
    whole = replace(parent, text="Which planet is closest to the Sun?")
    assert soundness.refuse_unfinished(asked, whole) is None
