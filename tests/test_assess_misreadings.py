"""What the symbolic checker would take for another answer; more cases are in seeds/verdicts."""

from functools import partial

import pytest

from tasks.assess.misreadings import stand_side_by_side
from tasks.assess.verdicts import same_answer
from tasks.assess.verifiers import math
from tasks.assess.votes import plurality

ACCEPTED_ONCE = [
    *(
        ("9", r"4 \quad 5"),
        ("9", "4 5"),
        ("9", "4(5)"),
        (r"50\%", r"\$50"),
        ("6", "1 2 3"),
        ("56", "5~6"),
    ),
    *(("-1<x<1", r"\pm 1"), ("1<x<2", r"\{1,2\}"), (r"\{x \mid x \ge 5\}", "5")),
    *((r"\{1,2\}", "(1,2)"), ("(-1,1)", r"\pm 1"), ("(1,2)", "y=1,x=2")),
    *((r"x \equiv 1 \pmod 3", r"x \equiv 2 \pmod 3"), ("1:2:3", r"\frac16")),
    *((r"1:\sqrt{3}:2", r"1:2:\sqrt{3}"), ("f''(x)", "f'(x)"), ("x'", "x"), ("ABC", "CAB")),
    *((r"\frac{dy}{dx}", r"\frac{dx}{dy}"), ("5", "the value of x must be greater than 5 here")),
]


@pytest.mark.parametrize(("key", "answer"), ACCEPTED_ONCE)
def test_what_the_checker_misreads_is_wrong(key: str, answer: str) -> None:
    assert math.check(key, answer).verdict == "wrong"


@pytest.mark.parametrize(
    ("key", "answer"),
    [
        *(("3.5", "3 1/2"), ("10000", "10 000"), ("0.5", r"\frac 1 2"), ("1234.5", r"1\,234.5")),
        *(("5.5", r"5\,\frac{1}{2}"), ("-6", "-(2)(3)"), ("11", "3+4(2)"), ("5x+5", "5(x+1)")),
        *(("3:4:5", "a:b:c=3:4:5"), ("1<x<2", r"x\in(1,2)"), (r"\{1,2\}", "x=1, x=2")),
        *((r"n \equiv \pm 1 \pmod 6", r"n \equiv 1,5 \pmod{6}"), ("(1,2)", "(x,y)=(1,2)")),
        *(("f'(x)=2x", "2x"), ("abc", "cba"), ("0.3", r"P(A\mid B)=0.3")),
        *((r"\frac{1\pm\sqrt{5}}{2}", r"\frac{1-\sqrt5}{2}, \frac{1+\sqrt5}{2}"), ("-2", "–2")),
    ],
)
def test_what_it_reads_rightly_is_still_right(key: str, answer: str) -> None:
    assert math.check(key, answer).verdict == "correct"


@pytest.mark.parametrize(
    ("text", "side_by_side"),
    [("1 2", True), (r"4\,5", True), ("10 000", False), ("x^2 3", False), ("May 5 2021", False)],
)
def test_numbers_side_by_side_are_several(text: str, side_by_side: bool) -> None:
    assert stand_side_by_side(text) is side_by_side


def test_a_key_of_several_numbers_decides_nothing() -> None:
    assert math.check("1 2", "1, 2") == ("unverifiable", "key_not_read")
    assert math.check("1 2", "1  2") == ("correct", "normalised")


def test_a_list_without_brackets_joins_no_two_pairs() -> None:
    votes = plurality(
        ["(1,2)", "(2,1)", "(2,1)", "(1,2)", "1, 2"], partial(same_answer, "expression")
    )
    assert (votes.answer, votes.votes, votes.runner_up) == (None, 2, 2)
