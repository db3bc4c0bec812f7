"""New numbers for an old problem, such that it still makes sense.

    (12, 9, 35) with "n0 * n1 - n2"  ->  (14, 8, 31)

Every intermediate result that was positive or whole stays so, which keeps people, trays and prices
what they were. The numbers of two variants of the same problem always differ.
"""

import re
from collections.abc import Sequence
from fractions import Fraction
from random import Random

from tasks.simulator.answer_key import Question
from tasks.simulator.chance import stream
from tasks.simulator.derivation import keeps_pattern
from tasks.simulator.programs import (
    NUMBER,
    Program,
    decimal_places,
    show_number,
    trace,
    write_decimal,
)

_TRIES = 150
# The terms of a written-out series hang together, also where the program does not use them all.
_SERIES = re.compile(r"\.\.\.|…|\\[lc]?dots")

Numbers = tuple[Fraction, ...]


def choose_numbers(seed: int, question: Question, program: Program, variant: int) -> Numbers | None:
    """Return the numbers of one variant; None if none were found that keep the problem sound."""
    before = question.numbers
    results = trace(program, before)
    if results is None or not program.used or _SERIES.search(question.text):
        return None
    chance = stream(seed, "new numbers", question.key)
    percents = _percents(question.text)
    found: list[Numbers] = []
    for attempt in range(_TRIES * (variant + 1)):
        after = _vary(before, program, percents, attempt, chance)
        if after == before or after in found or not _is_sound(program, before, after, results):
            continue
        found.append(after)
        if len(found) > variant:
            return after
    return None


def put_numbers(text: str, numbers: Sequence[Fraction]) -> str:
    """Write numbers in the places of a text's numbers, in the manner of those."""
    rest = iter(numbers)

    def write(old: str, new: Fraction) -> str:
        if Fraction(old.replace(",", "")) == new:
            return old
        if "," in old and new.denominator == 1:
            return f"{new.numerator:,}"
        places = len(old.partition(".")[2])
        return write_decimal(new, places) if places else show_number(new)

    return NUMBER.sub(lambda found: write(found[0], next(rest)), text)


def _vary(
    before: Numbers, program: Program, percents: frozenset[int], attempt: int, chance: Random
) -> Numbers:
    """Change some of the numbers that the program uses; late attempts change fewer of them."""
    keep = 0.2 if attempt % 3 == 0 else 0.6
    renamed: dict[Fraction, Fraction] = {}
    after = list(before)
    for index in sorted(program.used):
        old = before[index]
        new = old if chance.random() < keep else _another(old, index in percents, chance)
        # Equal numbers may be one quantity said twice: they change together.
        after[index] = renamed.setdefault(old, new)
    if not program.exact:
        after = [renamed.get(old, old) for old in before]
    return tuple(after)


def _another(old: Fraction, percent: bool, chance: Random) -> Fraction:
    places = decimal_places(old) or 0
    scale = int(10**places)
    size = int(old * scale)
    if size <= 1 and not places:
        return old
    if not places and 1800 <= size <= 2100:
        return old + chance.choice((-7, -5, -3, -2, 2, 3, 5, 7))
    units = (1000, 100, 50, 10, 5, 1)
    step: int = next(unit for unit in units if size % unit == 0 and (size > unit or unit == 1))
    spread = max(2, size // step // 2)
    changed = size + step * chance.randint(-spread, spread)
    if changed <= (0 if places else 1) or (percent and changed >= 100 * scale):
        return old
    return Fraction(changed, scale)


def _is_sound(
    program: Program, before: Numbers, after: Numbers, results: tuple[Fraction, ...]
) -> bool:
    if not keeps_pattern(program, before, after):
        return False
    changed = trace(program, after)
    if changed is None or len(changed) != len(results):
        return False
    for old, new in zip(results, changed, strict=True):
        if (old > 0 and new <= 0) or (old.denominator == 1 and new.denominator != 1):
            return False
        if (decimal_places(old) or 0) + 2 < (decimal_places(new) or 0):
            return False
    answer, known = changed[-1], results[-1]
    given_away = answer in after and known not in before
    return answer != known and not given_away and abs(answer) <= 20 * max(abs(known), Fraction(10))


def _percents(text: str) -> frozenset[int]:
    return frozenset(
        place
        for place, found in enumerate(NUMBER.finditer(text))
        if text[found.end() :].lstrip().startswith(("%", "percent", "\\%"))
    )
