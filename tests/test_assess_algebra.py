"""Exact algebra decides as math-verify does, where it decides at all: random pairs, both asked."""

import random

import pytest
from math_verify import parse, verify

from tasks.assess.algebra import same_value

PAIRS = 2_000
LETTERS = ("a", "b", "n", "x", "y", "z")


def _atom(chance: random.Random) -> str:
    kind = chance.random()
    if kind < 0.5:
        return str(chance.randint(1, 12))
    if kind < 0.8:
        return chance.choice(LETTERS)
    return rf"\sqrt{{{chance.choice((2, 3, 5, 8, 12))}}}"


def _write(chance: random.Random, depth: int) -> tuple[str, str]:
    """Return one expression in two spellings."""
    if depth == 0:
        one = _atom(chance)
        return one, one
    (left, left_too), (right, right_too) = (_write(chance, depth - 1) for _ in range(2))
    kind = chance.choice(("sum", "difference", "product", "fraction", "power"))
    if kind == "sum":
        return f"{left}+{right}", f"{right_too} + {left_too}"
    if kind == "difference":
        return f"{left}-({right})", rf"{left_too} - \left({right_too}\right)"
    if kind == "product":
        return rf"({left})\cdot({right})", rf"({right_too}) \times ({left_too})"
    if kind == "fraction":
        return rf"\frac{{{left}}}{{{right}}}", f"({left_too})/({right_too})"
    exponent = chance.choice((2, 3))
    return f"({left})^{exponent}", f"({left_too})^{{{exponent}}}"


def _draw(number: int) -> tuple[str, str]:
    """Return a pair: one value in two spellings, or, half of the time, two that are hardly it."""
    chance = random.Random(number)
    key, other = _write(chance, chance.choice((1, 1, 2)))
    if chance.random() < 0.5:
        return key, other
    wrong, _ = _write(chance, chance.choice((1, 1, 2)))
    return key, chance.choice((wrong, f"{other}+1", f"-({other})", f"2({other})"))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_is_decided_is_what_math_verify_says() -> None:
    decided = []
    for number in range(PAIRS):
        key, answer = _draw(number)
        ours = same_value(key, answer)
        if ours is not None:
            theirs = verify(parse(rf"\boxed{{{key}}}"), parse(rf"\boxed{{{answer}}}"))
            decided.append((key, answer, ours, theirs))
    assert [each for each in decided if each[2] != each[3]] == []
    assert len(decided) > PAIRS * 0.8
    assert 0.3 < sum(ours for _, _, ours, _ in decided) / len(decided) < 0.7
