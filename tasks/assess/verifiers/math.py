r"""Numbers and expressions: exact where both are plainly numbers, else math-verify's word.

>>> check("1/2", "0.5"), check("10000", "10001"), check("(x-1)(x+1)", "x^2-1")
(('correct', 'numeric'), ('wrong', 'numeric'), ('correct', 'symbolic'))
"""

import re
from dataclasses import replace
from fractions import Fraction
from typing import Any

from tasks.assess.algebra import same_value
from tasks.assess.extract import measure_depth
from tasks.assess.misreadings import decide_misread, leaves_order_open
from tasks.assess.numbers import (
    Number,
    normalise_latex,
    read_comma_decimal,
    read_number,
    squeeze,
)
from tasks.assess.pool import ask_checker
from tasks.assess.symbols import to_latex
from tasks.assess.verifiers import Outcome, quantity
from tasks.assess.wording import is_same_numeral, is_same_time, qualifies, split_relation

NAME = "math"
VERSION = 6
LONGEST = 2_000
DEEPEST = 60
# math-verify rounds to six places where a side is a decimal; closer than this is left to it. It
# rounds tiny values to nothing, so of those it is the share that counts.
NEAR = Fraction(1, 100_000)
TINY = Fraction(1, 1_000)
# As close as this, two decimals of many digits may be one floating-point number.
_FLOATING = 10**14
_SIGN = re.compile(r"[\w\d]")
_WORDS = re.compile(r"[A-Za-z]{3}")
_RELATED = re.compile(r"[<>]|\\(?:[lg]eq?|[lg]t|neq?)(?![A-Za-z])")
_COMMANDS = re.compile(r"\\[A-Za-z]+")


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
        return None if "\\" in to_latex(answer) else Outcome("wrong", "no_content")
    if _is_too_deep(key) or _is_too_deep(answer):
        return Outcome("unverifiable", "too_complex")
    key, answer = to_latex(key), to_latex(answer)
    if outcome := _compare_wording(key, answer):
        return outcome
    wanted, found = read_number(key), read_number(answer)
    if (wanted is None) != (found is None):
        wanted = wanted or read_comma_decimal(key)
        found = found or read_comma_decimal(answer)
        if qualifies(normalise_latex(key if wanted is None else answer)):
            return Outcome("wrong", "qualified")
    units = [side.unit if side else "" for side in (wanted, found)]
    is_money = all(side and side.currency for side in (wanted, found))
    if units[0] != units[1] and not is_money and (meant := quantity.compare_known(key, answer)):
        return meant
    if wanted is not None and found is not None:
        return _compare_numbers(wanted, found)
    if squeeze(key) == squeeze(answer):
        return Outcome("correct", "normalised")
    if misread := decide_misread(key, answer):
        return misread
    if (same := same_value(key, answer)) is not None:
        return Outcome("correct" if same else "wrong", "algebraic")
    return None


def decide_symbolic(key: str, answer: str, **options: Any) -> Outcome:
    """Ask math-verify, the key first; `options` go to its `verify`."""
    sides = {"key": to_latex(key), "answer": to_latex(answer)}
    reply = ask_checker({**sides, "options": options})
    if reply.get("equal"):
        return Outcome("correct", "symbolic")
    if failed := reply.get("failed"):
        return Outcome("unverifiable", str(failed))
    unread = reply.get("unread", [])
    if "key" in unread:
        return Outcome("unverifiable", "key_not_read")
    return Outcome("wrong", "answer_not_read" if unread else "symbolic")


def is_same(left: str, right: str) -> bool:
    """Tell whether two answers are one answer, whichever of them is the key.

    A percentage is its share alone here: to a key of 50 and to one of 0.5 the checker takes 50% for
    right, and a vote would join 50 and 0.5 through it. So would a list without brackets, which both
    (1,2) and (2,1) may have meant, join these two.
    """
    if leaves_order_open(to_latex(left), to_latex(right)):
        return False
    numbers = [read_number(to_latex(side)) for side in (left, right)]
    one, other = (number and (number.percent, number.value) for number in numbers)
    if one and other and one[0] != other[0]:
        shares = [value / 100 if percent else value for percent, value in (one, other)]
        return shares[0] == shares[1]
    return check(left, right).verdict == "correct" and check(right, left).verdict == "correct"


def _compare_wording(key: str, answer: str) -> Outcome | None:
    """Decide what is written with a relation, as a time of day or in a base that is said."""
    (wanted, _), (found, _) = split_relation(key), split_relation(answer)
    if wanted != found:
        # `5 or more` may well be `≥ 5`, and so may `x ≥ 5`: those are left to the checker.
        said = "" if wanted and found else answer if wanted else key
        if not (_WORDS.search(_COMMANDS.sub("", said)) or _RELATED.search(said)):
            return Outcome("wrong", "other_relation")
    for compare, reason in ((is_same_time, "time"), (is_same_numeral, "numeral")):
        if (same := compare(key, answer)) is not None:
            return Outcome("correct" if same else "wrong", reason)
    return None


def _compare_numbers(wanted: Number, found: Number) -> Outcome | None:
    if wanted.currency and found.currency and wanted.currency != found.currency:
        if "¢" not in (wanted.currency, found.currency):
            return Outcome("wrong", "other_currency")
        wanted, found = _in_whole_money(wanted), _in_whole_money(found)
    if wanted.percent != found.percent:
        if wanted.currency or found.currency:
            return Outcome("wrong", "other_unit")
        # `50%` and `0.5` are one only if the key is the percentage; the rest is math-verify's.
        if wanted.percent and wanted.value == found.value * 100:
            return Outcome("correct", "numeric")
        # What is above 1 is no share: `12.5` percent are `12.5\%`, as the checker has it of 12.
        return Outcome("correct", "numeric") if wanted.value == found.value > 1 else None
    if wanted.unit and found.unit and wanted.unit != found.unit:
        return None
    if wanted.value == found.value:
        return Outcome("correct", "numeric")
    gap = abs(wanted.value - found.value)
    largest = max(abs(wanted.value), abs(found.value))
    near = NEAR * (100 if wanted.percent else 1) * (largest if largest < TINY else 1)
    # Exact numbers that differ are never one, however small or long.
    if (wanted.decimal or found.decimal) and (gap < near or gap * _FLOATING <= largest):
        return None
    return Outcome("wrong", "numeric")


def _in_whole_money(number: Number) -> Number:
    """Return 50 cents as 0.5, of whatever whole the other side names."""
    if number.currency != "¢":
        return replace(number, unit="")
    return replace(number, value=number.value / 100, unit="", decimal=True)


def _is_too_deep(text: str) -> bool:
    """Deep nesting stops the parser for seconds and is no answer."""
    if text.count("{") + text.count("(") <= DEEPEST:
        return False
    return measure_depth(text) > DEEPEST
