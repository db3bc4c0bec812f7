"""Gates on what a rewrite must be in itself: one answer, nothing missing, no step done already.

refuse_stated_step(candidate, parent)
→ Refusal("easier", "says 112, a step of its program")
"""

import re
from collections import Counter
from fractions import Fraction

from tasks.identity import normalise
from tasks.rewrite.acceptance import MEASURE, is_used
from tasks.rewrite.answers import numbers_said, read_number, show_number
from tasks.rewrite.candidate import Candidate, Parent, Refusal
from tasks.rewrite.program import (
    ProgramError,
    evaluate,
    find_numbers,
    numbers_in,
    steps_of,
    values_of,
)

LEAST_DIGITS = 0.5  # of the parent's, that new numbers must have
_NOT_UNIQUE = re.compile(
    r"\b(?:name|find|state|choose|pick|suggest) (?:an?|any|one|some)"
    r" (?:(?:possible|suitable|such) )?(?!formula|fraction|set|interval|whole|word|single)\w+"
    r"|\b(?:a|one|any|some) (?:possible|suitable|conceivable|valid) \w+"
    r"|\b(?:an|one) example\b|\bfor instance\b"
    r"|\b(?:could|might|may) (?:there )?(?:be|it be|have been)\b"
    r"|\b(?:approximately|roughly|about how|around how|or so|or more|or less|give or take)\b"
    r"|\bdepends on\b|\bas you like\b|\bnot (?:known|given|specified)\b",
    re.IGNORECASE,
)
# "increases every ... years", not "1 + 2 + ... + n", and no name such as `__init__`.
_BLANK = re.compile(r"(?<!\w)_{2,}(?!\w)|(?<=[a-z] )(?:\.{3}|…)(?= [a-z])", re.IGNORECASE)
_ENDS = (".", "?", "!", ":", "$", ")", "`")
_VAGUE = re.compile(r"\b(?:some|several|a few|a certain|a number of|various)\b", re.IGNORECASE)


def refuse_not_unique(candidate: Candidate, parent: Parent) -> Refusal | None:
    """`not_unique`: the rewrite is content with any of several answers, and the parent was not."""
    said = _NOT_UNIQUE.search(candidate.text)
    if said is None or said.group().casefold() in parent.text.casefold():
        return None
    return Refusal("not_unique", f"several answers may be right: {said.group()!r}")


def refuse_unfinished(candidate: Candidate, parent: Parent) -> Refusal | None:
    """`unfinished`: the parent's text is a sentence that its options end, and it was left so."""
    begun = normalise(parent.text)
    blank = _BLANK.search(candidate.text)
    if parent.choices and blank:
        return Refusal("unfinished", f"a blank is left: {blank.group()!r}")
    if not parent.choices or begun.endswith(_ENDS) or begun not in normalise(candidate.text):
        return None
    return Refusal("unfinished", f"nothing ends the sentence '… {begun[-60:]}'")


def refuse_missing_data(candidate: Candidate, parent: Parent) -> Refusal | None:
    """`data_changed`: fewer or more numbers than the parent, another unit, or a vague amount."""
    before, after = len(find_numbers(parent.text)), len(find_numbers(candidate.text))
    if before != after:
        return Refusal("data_changed", f"{after} numbers, the parent has {before}")
    lost = _words(MEASURE, parent.text) - _words(MEASURE, candidate.text)
    if lost:
        return Refusal("data_changed", f"the unit {next(iter(lost))} of the parent is missing")
    return refuse_vague_amount(candidate, parent)


def refuse_vague_amount(candidate: Candidate, parent: Parent) -> Refusal | None:
    """`data_changed`: "some" or "several" where the parent was not vague."""
    vague = _words(_VAGUE, candidate.text) - _words(_VAGUE, parent.text)
    return Refusal("data_changed", f"a vague amount: {next(iter(vague))!r}") if vague else None


def refuse_stated_step(candidate: Candidate, parent: Parent) -> Refusal | None:
    """`easier`: the statement says what a step of its program comes to, and no datum was that."""
    if candidate.program is None:
        return None
    try:
        steps = steps_of(candidate.program)
    except ProgramError:
        return None
    said, before = Counter(numbers_said(candidate.text)), Counter(numbers_said(parent.text))
    given = set(numbers_in(candidate.program))
    told = [step for step in steps if said[step] > before[step] and step not in given]
    if said.total() <= before.total() or not told:
        return None
    return Refusal("easier", f"says {show_number(told[0])}, a step of its program")


def refuse_trivial_numbers(candidate: Candidate, parent: Parent) -> Refusal | None:
    """`easier`: a number became 0 or 1, or the numbers have half as many digits as the parent's."""
    before, after = find_numbers(parent.text), find_numbers(candidate.text)
    if len(before) == len(after):
        for old, new in zip(before, after, strict=True):
            if new != old and new in (0, 1):
                return Refusal("easier", f"{show_number(old)} became {show_number(new)}")
    changed = list((Counter(before) - Counter(after)).elements())
    instead = list((Counter(after) - Counter(before)).elements())
    old_digits, new_digits = _digits(changed), _digits(instead)
    if changed and new_digits < LEAST_DIGITS * old_digits:
        return Refusal("easier", f"{new_digits} digits in the new numbers, of {old_digits}")
    return None


def refuse_stray_number(candidate: Candidate, parent: Parent) -> Refusal | None:
    """`data_changed`: a number was changed that the program does not use, or in one place only.

    "3, 13, 13, 23 grow by the same amount" with the program 23 + (13 - 3); "sides of 7, 5 and 12
    … the side of 8" where both were 8. What nothing computes with may still have to be true.
    """
    before, after = find_numbers(parent.text), find_numbers(candidate.text)
    used = find_numbers(candidate.program or "")
    if len(before) != len(after):
        return None
    pairs = list(zip(before, after, strict=True))
    changed = {old for old, new in pairs if old != new}
    for old, new in pairs:
        if is_used(new, used):
            continue
        if old != new:
            shown = f"{show_number(old)} became {show_number(new)}"
            return Refusal("data_changed", f"{shown}, which the program does not use")
        if old in changed:
            return Refusal("data_changed", f"{show_number(old)} was changed in one place only")
    return None


def refuse_trivial_answer(candidate: Candidate, parent: Parent) -> Refusal | None:
    """`easier`: the answer became 1, which is right too often where nothing was understood."""
    if read_number(candidate.answer) != 1 or read_number(parent.answer or "") == 1:
        return None
    return Refusal("easier", "the answer became 1, which can be guessed")


def refuse_trivial_program(candidate: Candidate, parent: Parent) -> Refusal | None:
    """`easier`: fewer steps than the parent's own program takes."""
    if parent.program is None or candidate.program is None:
        return None
    try:
        values = values_of(parent.text)
        if Fraction(evaluate(parent.program, values)) != read_number(parent.answer or ""):
            return None
        before, after = steps_of(parent.program, values), steps_of(candidate.program)
    except ProgramError:
        return None
    if len(after) >= len(before) - len(before) // 2:
        return None
    return Refusal("easier", f"{len(after)} steps, the parent takes {len(before)}")


def _digits(numbers: list[Fraction]) -> int:
    """Count digits without the zeros at either end: 3,000 and 0.003 have one."""
    return sum(len(re.sub(r"\D", "", show_number(number)).strip("0")) or 1 for number in numbers)


def _words(pattern: re.Pattern[str], text: str) -> set[str]:
    return {found.casefold().removesuffix("s") for found in pattern.findall(text)}
