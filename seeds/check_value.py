"""Compute the answers of seeds that are values: by their program, by their check, by sympy.

{"answer": "2\\sqrt{3}", "answer_type": "expression", "check": "sqrt(12)"}
"""

import logging
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import sympy
from math_verify import parse, verify

from tasks.rewrite.program import ProgramError, evaluate, numbers_in

logging.getLogger("math_verify").setLevel(logging.ERROR)  # it warns that no time limit is set


def check_value(row: dict[str, Any]) -> Iterator[str]:
    """Check a number, an expression, a text or an open question against program and check."""
    kind, answer = row["answer_type"], row["answer"]
    program, check = row["program"], row.get("check")
    if kind == "number":
        yield from _check_number(answer, program, check, row["prompt"])
    elif kind == "expression" and check is not None:
        yield from _check_expression(answer, check)
    elif kind == "open" and answer is not None:
        yield from _check_parts(answer, check)
    if row["domain"] == "math" and (program, check) == (None, None) and answer is not None:
        yield "has neither program nor check, expected one of them"


def check_choice(row: dict[str, Any]) -> Iterator[str]:
    """Check that the right option, and no other, has the value of check."""
    check, right = row.get("check"), ord(row["answer"]) - ord("A")
    if check is None:
        if row["domain"] == "math":
            yield "has no check, expected an expression for the right option"
        return
    fault = _fault_of(check)
    if fault:
        yield fault
        return
    agreeing = [number for number, text in enumerate(row["choices"]) if agrees(text, check)]
    if agreeing != [right]:
        letters = ", ".join(chr(ord("A") + number) for number in agreeing) or "no option"
        yield f"check agrees with {letters}, expected {row['answer']} alone"


def agrees(latex: str, check: str) -> bool:
    """Tell whether an answer as a person writes it has the value of a sympy expression.

    math-verify reads the answer, as the product's own verifier does, and sympy compares: the
    former tells an expanded polynomial from its factors.
    """
    text = latex.strip().strip("$")
    gold = _sympy(check)
    found = parse(f"${text}$", parsing_timeout=None, raise_on_error=False)
    return any(_same(value, gold) for value in found if isinstance(value, sympy.Basic))


def _same(value: Any, gold: Any) -> bool:
    plain = value.subs({symbol: sympy.Symbol(symbol.name) for symbol in value.free_symbols})
    if isinstance(plain, sympy.Expr) and isinstance(gold, sympy.Expr):
        return bool(sympy.simplify(plain - gold) == 0)
    return bool(plain == gold) or bool(verify([gold], [value], timeout_seconds=None))


def _check_number(
    answer: str, program: str | None, check: str | None, prompt: str
) -> Iterator[str]:
    try:
        expected = evaluate(answer)
    except ProgramError:
        yield f"answer is {answer!r}, expected a number such as 42, 3.5, -4 or 1/2"
        return
    for name, expression in (("program", program), ("check", check)):
        if expression is None:
            continue
        variables = {f"n{i}": value for i, value in enumerate(numbers_in(prompt))}
        try:
            value = evaluate(expression, variables if name == "program" else None)
        except ProgramError as error:
            yield f"{name} cannot be computed: {error}"
        else:
            if value != expected:
                yield f"the {name} gives {value}, expected the answer {answer}"


def _check_parts(answer: str, check: str | None) -> Iterator[str]:
    """Check the answers of a problem in parts, "(a) 60; (b) 216", by "2*(18+12); 18*12"."""
    said = re.findall(r"\([a-h]\) ([^;]+)", answer)
    computed = [expression.strip() for expression in (check or "").split(";")]
    if len(said) < 2 or len(said) != len(computed):
        yield f"check has {len(computed)} expressions for {len(said)} parts, expected one for each"
        return
    for part, expression in zip(said, computed, strict=True):
        yield from _check_expression(part, expression)


def _check_expression(answer: str, check: str) -> Iterator[str]:
    fault = _fault_of(check)
    if fault:
        yield fault
    elif not agrees(answer, check):
        yield f"the answer {answer} is not the value of check, expected {_sympy(check)}"


def _fault_of(check: str) -> str | None:
    try:
        _sympy(check)
    except Exception as error:  # sympy raises whatever the expression runs into
        return f"check cannot be computed by sympy: {type(error).__name__}: {error}"
    return None


@lru_cache(maxsize=1024)
def _sympy(expression: str) -> Any:
    return sympy.sympify(expression, rational=True)
