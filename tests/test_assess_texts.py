"""Texts: the same words in other typography are equal, other signs, cases and brackets are not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.assess.verdicts import decide
from tasks.assess.verifiers import choice, text

SAME = [
    ("Hello, world", "hello world!"),
    ("\u201cParis\u201d", "'Paris'"),
    ("well\u2013known", "well known"),
    ("1914\u20131918", "1914-1918"),
    ("x^2", "x²"),
    ("H₂O", "H_2O"),
    ("p ∧ q", r"p \land q"),
    ("x ≤ y", "x<=y"),
    ("x+y", "x + y"),
    ("carbon dioxide (CO2)", "carbon dioxide CO2"),
    ("(Paris)", "Paris"),
    ("L'Hôpital", "L\u2019Hôpital"),
    ("students' union", "students union"),
    ("red, green and blue", "red, green, and blue"),
    ("no", "No."),
    ("1:2", "1 : 2"),
    ("Ca²⁺", "Ca^{2+}"),
    ("C₆H₁₂O₆", r"\text{C}_6\text{H}_{12}\text{O}_6"),
    ("a cat", "cat"),
    ("`foo`", "foo"),
]
DIFFERENT = [
    *(("x ≤ y", "x ≥ y"), ("A∪B", "A∩B"), ("p ∧ q", "p ∨ q"), ("¬p", "p"), ("±x", "x")),
    *(("a × b", "a ÷ b"), ("a × b", "a b"), ("(0, 1]", "(0, 1)"), ("(0, 1)", "0, 1")),
    *(("5!", "5"), ("n!", "n"), ("!x", "x"), ("x'", "x"), ("f'(2)", "f(2)"), ("a'b", "ab'")),
    *(("∀x", "∃x"), ("a → b", "a ← b"), ("√x", "x"), ("H⁺", "H⁻"), ("C♯", "C♭"), ("⊂", "⊃")),
    *(("½", "¼"), ("∞", "\u2212∞"), ("10²", "102"), ("a ∪ b", "b"), ("A B", "B")),
    *(("10:30", "1030"), ("3,4", "34"), ("(a)b", "a(b)"), ("A_B", "a b"), ("C#", "C")),
]


@pytest.mark.parametrize(("key", "answer"), SAME)
def test_typography_is_no_difference(key: str, answer: str) -> None:
    assert text.check(key, answer).verdict == text.check(answer, key).verdict == "correct"


@pytest.mark.parametrize(("key", "answer"), DIFFERENT)
def test_signs_brackets_and_marks_that_mean_something_count(key: str, answer: str) -> None:
    assert text.check(key, answer).verdict == text.check(answer, key).verdict == "wrong"


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_two_texts_are_compared_without_an_error(one: str, other: str) -> None:
    assert text.check(one, one).verdict == "correct"
    same = text.check(one, other).verdict == "correct"
    assert same or text.check(one, f" {other} ").verdict != "correct"


def test_options_that_differ_in_a_sign_or_in_case_are_told_apart() -> None:
    sets = ["A∩B", "A∪B", r"A \setminus B"]
    assert choice.check("B", "A ∪ B", sets) == ("correct", "option_text")
    assert choice.check("A", r"A \cup B", sets) == ("wrong", "other_option")
    crosses = ["BB × BB", "Bb × Bb", "bb × bb"]
    assert choice.check("B", "Bb  × Bb", crosses) == ("correct", "option_text")
    assert choice.check("B", "bB × bB", crosses) == ("wrong", "no_such_option")
    assert choice.check("A", "p ∨ q", ["p ∧ q", "r"]) == ("wrong", "no_such_option")
    assert decide("choice", "A", r"\boxed{A∪B}", choices=sets).verdict == "wrong"
