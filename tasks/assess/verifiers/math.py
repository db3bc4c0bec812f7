r"""Numbers and expressions: exact where both are plainly numbers, else math-verify's word.

>>> check("1/2", "0.5"), check("10000", "10001"), check("(x-1)(x+1)", "x^2-1")
(('correct', 'numeric'), ('wrong', 'numeric'), ('correct', 'symbolic'))
"""

import re
from fractions import Fraction
from typing import Any

from tasks.assess.algebra import same_value
from tasks.assess.numbers import (
    MOST_DIGITS,
    Number,
    read_comma_decimal,
    read_number,
    squeeze,
)
from tasks.assess.pool import ask_checker
from tasks.assess.verifiers import Outcome, quantity

NAME = "math"
VERSION = 4
LONGEST = 2_000
DEEPEST = 60
# math-verify rounds to six places where a side is a decimal; closer than this is left to it.
NEAR = Fraction(1, 100_000)
_SIGN = re.compile(r"[\w\d]")


def check(key: str, answer: str) -> Outcome:
    """Decide without the checker where that is certain, else ask it."""
    return decide_fast(key, answer) or decide_symbolic(key, answer)


def decide_fast(key: str, answer: str) -> Outcome | None:
    """Return a certain verdict, or None where only the symbolic checker can tell."""
    if not _SIGN.search(key):
        return Outcome("unverifiable", "key_is_empty")
    if key == answer:
        return Outcome("correct", "identical")
    if len(key) > LONGEST or len(answer) > LONGEST:
        return Outcome("unverifiable", "too_long")
    if not _SIGN.search(answer):
        # Content-free answers (":", "…") are never put to a checker that might be talked into it.
        return None if "\\" in answer else Outcome("wrong", "no_content")
    if _is_too_deep(key) or _is_too_deep(answer):
        return Outcome("unverifiable", "too_complex")
    wanted, found = read_number(key), read_number(answer)
    if (wanted is None) != (found is None):
        wanted = wanted or read_comma_decimal(key)
        found = found or read_comma_decimal(answer)
    units = [side.unit if side else "" for side in (wanted, found)]
    if units[0] != units[1] and (meant := quantity.compare_known(key, answer)):
        return meant
    if wanted is not None and found is not None:
        return _compare_numbers(wanted, found)
    if squeeze(key) == squeeze(answer):
        return Outcome("correct", "normalised")
    if (same := same_value(key, answer)) is not None:
        return Outcome("correct" if same else "wrong", "algebraic")
    return None


def decide_symbolic(key: str, answer: str, **options: Any) -> Outcome:
    """Ask math-verify, the key first; `options` go to its `verify`."""
    reply = ask_checker({"key": key, "answer": answer, "options": options})
    if reply.get("equal"):
        return Outcome("correct", "symbolic")
    if failed := reply.get("failed"):
        return Outcome("unverifiable", str(failed))
    unread = reply.get("unread", [])
    if "key" in unread:
        return Outcome("unverifiable", "key_not_read")
    return Outcome("wrong", "answer_not_read" if unread else "symbolic")


def is_same(left: str, right: str) -> bool:
    """Tell whether two answers are one answer, whichever of them is the key."""
    return check(left, right).verdict == "correct" and check(right, left).verdict == "correct"


def _compare_numbers(wanted: Number, found: Number) -> Outcome | None:
    if wanted.percent != found.percent:
        # `50%` and `0.5` are one only if the key is the percentage; the rest is math-verify's.
        if wanted.percent and wanted.value == found.value * 100:
            return Outcome("correct", "numeric")
        return None
    if wanted.unit and found.unit and wanted.unit != found.unit:
        return None
    if wanted.value == found.value:
        return Outcome("correct", "numeric")
    gap = abs(wanted.value - found.value)
    is_near = gap < NEAR * (100 if wanted.percent else 1)
    if is_near and (wanted.decimal or found.decimal):
        return None
    # Floating-point numbers of many digits are no trouble if they differ in the leading ones.
    largest = max(abs(wanted.value), abs(found.value))
    digits = len(str(max(abs(wanted.value.numerator), abs(found.value.numerator))))
    if digits > MOST_DIGITS and (is_near or largest >= 10**MOST_DIGITS):
        return None
    return Outcome("wrong", "numeric")


def _is_too_deep(text: str) -> bool:
    """Deep nesting stops the parser for seconds and is no answer."""
    if text.count("{") + text.count("(") <= DEEPEST:
        return False
    depth = deepest = 0
    for character in text:
        if character in "{([":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "})]":
            depth -= 1
    return deepest > DEEPEST
