"""Acceptance: each gate looks at one thing and lets a rewrite pass or says why not.

    refuse_leaked_answer(candidate, parent)
    → Refusal("answer_leaked", "the statement says 81 1 time(s), the parent's 0 time(s)")

Refusing a sound rewrite costs a call, accepting a faulty one teaches a mistake: where a gate has to
guess it refuses. docs/rewrites.md lists the reasons.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from difflib import SequenceMatcher
from fractions import Fraction
from typing import Any

from tasks.identity import normalise
from tasks.rewrite.answers import count_mentions, read_number, show_number
from tasks.rewrite.candidate import Candidate, Parent, Refusal
from tasks.rewrite.program import (
    NUMBER,
    ProgramError,
    evaluate,
    find_numbers,
    values_of,
    written_forms,
)

VERSION = 5  # Raise it with any change in what is refused: stored replies are decided again.
NOT_DECIDED = 0  # The version of a verdict that is none: the reply is looked at again next time.
NOT_DECIDED_REASONS = frozenset({"no_sandbox"})
LONGEST_ANSWER = 100  # characters; a longer answer cannot be compared as text
LEAST_LIKENESS = 0.75  # of the words without numbers, to the parent's
LEAST_KEPT_WORDS = 0.75  # of the parent's longer words, when a choice becomes an open question
_LONGEST_GROWTH = 300  # characters that a rewrite may be longer than twice its parent

Gate = Callable[[Candidate, Parent], Refusal | None]

_LETTERED_LINE = re.compile(r"(?m)^\s*[(*]*([A-Ha-h])[.):*]+\s*\S")
_INLINE_LETTERS = re.compile(r"\(?\bA[.)]\s.{1,300}?\(?\bB[.)]\s", re.DOTALL)
OPTION_PHRASE = re.compile(
    r"\bwhich (?:one |ones )?(?:of|among|from) (?:the (?:following|options|choices)|these|those)\b"
    r"|\b(?:of|from|among|which) the following\b"
    r"|\bthe following (?:pairs|options|choices|answers|statements|groups|sets|combinations|list)\b"
    r"|\b(?:all|none|both|neither|any|each|one) of the (?:above|below|options|choices)\b"
    r"|\bnone of these\b"
    r"|\b(?:options?|choices|alternatives) (?:above|below|given|listed)\b"
    r"|\b(?:correct|right|best) (?:option|choice|letter)\b"
    r"|\b(?:choose|select|pick) (?:one|the (?:best|correct|right|most))\b",
    re.IGNORECASE,
)
_HOW_MANY = re.compile(r"\bhow many\b(?P<counted>[^?.]{0,30})", re.IGNORECASE)
# What is measured may come out fractional, what is counted may not.
MEASURE = re.compile(
    r"\b(?:(?:kilo|centi|milli|deci)?(?:met(?:re|er)|gram|lit(?:re|er))s?|miles?|feet|inches|yards?"
    r"|acres?|hectares?|seconds?|minutes?|hours?|days?|weeks?|months?|years?|degrees?|percent"
    r"|euros?|dollars?|cents?|pounds?|ounces?|tons?|tonnes?|gallons?|volts?|amperes?|ohms?|watts?"
    r"|joules?|newtons?|pascals?|moles?|times)\b",
    re.IGNORECASE,
)
# Facts that a rewrite must leave, each with words beside which it is one (none: always).
_GRAVITY = ("free fall", "gravit")
FACTS: Mapping[Fraction, tuple[str, ...]] = {
    Fraction("9.8"): _GRAVITY,
    Fraction("9.81"): _GRAVITY,
    Fraction(10): ("free fall",),
    Fraction("4.18"): ("specific heat",),
    Fraction("4.2"): ("specific heat",),
    Fraction("3.14"): (),
    Fraction("8.314"): (),
    Fraction("22.4"): ("litres per mole", "molar volume"),
    Fraction(273): ("kelvin",),
    Fraction("273.15"): (),
    Fraction(96_500): (),
    Fraction(96_485): (),
    Fraction(300_000): ("speed of light", "light travels"),
    Fraction(360): ("degrees",),
    Fraction(365): ("days", "year"),
}
# "1.5 x 1017 metres", where 10 to the power of 17 was meant.
_LOST_EXPONENT = re.compile(r"[x×*]\s*10[0-9]+\b")
_BARE_NUMBER = re.compile(r"[\s()+-]*[0-9.]+[\s()]*")
CODE_BLOCK = re.compile(r"```.*?```", re.DOTALL)
_ANNOUNCED = r"\b(?:answer|result|solution|key)\b(?:\s*(?:is|equals|should be|must be|=|:))+\s*\$?"


def refuse_declined(reply: Mapping[str, Any]) -> Refusal | None:
    """`declined`: the rewriter said itself that no usable rewrite can be made."""
    return None if reply["valid"] else Refusal("declined", "the rewriter replied valid=false")


def refuse_empty(reply: Mapping[str, Any], fields: Sequence[str]) -> Refusal | None:
    """`empty`: a field that cannot be done without holds nothing."""
    empty = [name for name in fields if not str(reply[name]).strip()]
    return Refusal("empty", f"nothing in {', '.join(empty)}") if empty else None


def run_program(program: str) -> Fraction | int | Refusal:
    """Return the program's value, or `program_failed`: it is not arithmetic or has no value."""
    try:
        return evaluate(program)
    except ProgramError as error:
        return Refusal("program_failed", str(error))


def refuse_key_mismatch(candidate: Candidate, parent: Parent) -> Refusal | None:
    """`key_mismatch`: the rewriter's answer is not its program's value."""
    if read_number(candidate.claimed) == read_number(candidate.answer):
        return None
    return Refusal(
        "key_mismatch",
        f"the program gives {candidate.answer}, the rewriter answered {candidate.claimed[:100]!r}",
    )


def refuse_other_program(candidate: Candidate, parent: Parent) -> Refusal | None:
    """`key_mismatch`: the parent's own program, on the new numbers, gives something else.

    Judged only where the parent has a program that holds for it and the words are still the same.
    """
    if parent.program is None or _skeleton(parent.text) != _skeleton(candidate.text):
        return None
    known = _run_on(parent.program, parent.text)
    if known is None or known != read_number(parent.answer or ""):
        return None
    expected = _run_on(parent.program, candidate.text)
    if expected == read_number(candidate.answer):
        return None
    shown = "no value" if expected is None else show_number(expected)
    return Refusal(
        "key_mismatch", f"the parent's program gives {shown}, the rewrite's {candidate.answer}"
    )


def refuse_detached_program(candidate: Candidate, parent: Parent) -> Refusal | None:
    """`program_detached`: the program does not compute anything from the numbers that are new."""
    program = candidate.program or ""
    if _BARE_NUMBER.fullmatch(program):
        return Refusal("program_detached", "the program is a bare number")
    new = Counter(find_numbers(candidate.text)) - Counter(find_numbers(parent.text))
    if any(is_used(number, find_numbers(program)) for number in new):
        return None
    return Refusal("program_detached", "the program uses none of the numbers that are new")


def is_used(number: Fraction, used: Sequence[Fraction]) -> bool:
    """Say whether a program with these numbers computes with one of the statement's."""
    return not written_forms(number).isdisjoint(used)


def refuse_unchanged(candidate: Candidate, parent: Parent) -> Refusal | None:
    """`unchanged`: word for word the parent."""
    if normalise(candidate.text) != normalise(parent.text):
        return None
    return Refusal("unchanged", "the statement is the parent's")


def refuse_same_answer(candidate: Candidate, parent: Parent) -> Refusal | None:
    """`near_copy`: the answer is the parent's, so it is no step of it and none was added to it."""
    if read_number(candidate.answer) != read_number(parent.answer or ""):
        return None
    return Refusal("near_copy", f"the answer is {parent.answer}, as the parent's")


def refuse_same_numbers(candidate: Candidate, parent: Parent) -> Refusal | None:
    """`near_copy`: other words at most, but the same numbers."""
    if Counter(find_numbers(candidate.text)) != Counter(find_numbers(parent.text)):
        return None
    return Refusal("near_copy", "the statement has the parent's numbers")


def refuse_changed_fact(candidate: Candidate, parent: Parent) -> Refusal | None:
    """`fact_changed`: a number that is a fact of nature or of the calendar is another one now."""
    lost = Counter(find_numbers(parent.text)) - Counter(find_numbers(candidate.text))
    text = parent.text.casefold()
    for number in lost:
        words = FACTS.get(number)
        if words is not None and (not words or any(word in text for word in words)):
            return Refusal("fact_changed", f"{show_number(number)} is a fact and was changed")
    return None


def refuse_drift(candidate: Candidate, parent: Parent) -> Refusal | None:
    """`drifted`: apart from its numbers the statement is no longer the parent's."""
    if _is_overlong(candidate, parent):
        return Refusal("drifted", f"{len(candidate.text)} characters, of {len(parent.text)}")
    old, new = _skeleton(parent.text).split(), _skeleton(candidate.text).split()
    likeness = SequenceMatcher(None, old, new, autojunk=False).ratio()
    if likeness >= LEAST_LIKENESS:
        return None
    return Refusal("drifted", f"likeness {likeness:.2f} to the parent, below {LEAST_LIKENESS}")


def refuse_other_question(candidate: Candidate, parent: Parent) -> Refusal | None:
    """`drifted`: code or a number of the parent is missing, or most of its longer words are."""
    if _is_overlong(candidate, parent):
        return Refusal("drifted", f"{len(candidate.text)} characters, of {len(parent.text)}")
    if any(block not in candidate.text for block in CODE_BLOCK.findall(parent.text)):
        return Refusal("drifted", "a code block of the parent is missing or was changed")
    lost = Counter(find_numbers(parent.text)) - Counter(find_numbers(candidate.text))
    if lost:
        return Refusal("drifted", f"{show_number(next(iter(lost)))} of the parent is missing")
    words = _longer_words(OPTION_PHRASE.sub(" ", parent.text)) - {"which", "what"}
    kept = len(words & _longer_words(candidate.text)) / len(words) if words else 1.0
    if kept >= LEAST_KEPT_WORDS:
        return None
    return Refusal("drifted", f"{kept:.0%} of the parent's longer words are left")


def refuse_options_left(candidate: Candidate, parent: Parent) -> Refusal | None:
    """`options_left`: lettered options, talk of options, or two wrong options in the statement.

    A parent without options may itself speak of "the following" or of a jar A; then so may this.
    """
    own = "" if parent.choices else parent.text
    letters = {letter.upper() for letter in _LETTERED_LINE.findall(candidate.text)}
    lettered = {"A", "B"} <= letters or _INLINE_LETTERS.search(candidate.text)
    if lettered and not _INLINE_LETTERS.search(own):
        return Refusal("options_left", "lettered options")
    phrase = OPTION_PHRASE.search(candidate.text)
    if phrase and not OPTION_PHRASE.search(own):
        return Refusal("options_left", f"talks of options: {phrase.group()!r}")
    wrong = [choice for choice in parent.choices if choice != parent.right_option]
    listed = [
        choice
        for choice in wrong
        if count_mentions(candidate.text, choice) > count_mentions(parent.text, choice)
    ]
    if len(listed) < 2:
        return None
    return Refusal("options_left", f"wrong options in the statement: {', '.join(listed)[:200]}")


def refuse_leaked_answer(candidate: Candidate, parent: Parent) -> Refusal | None:
    """`answer_leaked`: the statement says the key more often than the parent's said its own.

    Strict on purpose: a datum that happens to equal the answer is refused with the true leaks,
    unless the parent had that number, or its own answer, in its statement as often.
    """
    answer = candidate.answer
    if re.search(_ANNOUNCED + re.escape(answer) + r"(?!\w)", candidate.text, re.IGNORECASE):
        return Refusal("answer_leaked", f"the statement announces the answer {answer[:100]}")
    said = count_mentions(candidate.text, answer)
    own = parent.right_option if parent.choices else parent.answer
    before = max(count_mentions(parent.text, answer), count_mentions(parent.text, own or ""))
    if said <= before:
        return None
    return Refusal(
        "answer_leaked",
        f"the statement says {answer[:100]} {said} time(s), the parent's {before} time(s)",
    )


def refuse_odd_result(candidate: Candidate, parent: Parent) -> Refusal | None:
    """`negative_or_fractional`: the parent counted or measured, the rewrite gives what cannot be.

    A positive answer of the parent must not become zero or negative, nor a whole one, where the
    question is how many of something countable, fractional.
    """
    before, after = read_number(parent.answer or ""), read_number(candidate.answer)
    if before is None or after is None or before <= 0:
        return None
    if after <= 0:
        return Refusal("negative_or_fractional", f"{candidate.answer} where {before} was positive")
    if before.denominator != 1:
        return None
    asked = _HOW_MANY.search(candidate.text)
    if after.denominator == 1 or asked is None or MEASURE.search(asked["counted"]):
        return None
    return Refusal("negative_or_fractional", f"{candidate.answer} of what is counted")


def refuse_endless_decimal(candidate: Candidate, parent: Parent) -> Refusal | None:
    """`endless_decimal`: the parent's answer was written out, the rewrite's never ends.

    A solver would round it as it likes, and would be graded wrong for that.
    """
    before, after = read_number(parent.answer or ""), read_number(candidate.answer)
    if before is None or after is None or "/" not in candidate.answer:
        return None
    if "/" in show_number(before, like=parent.answer) or "fraction" in candidate.text.casefold():
        return None
    return Refusal("endless_decimal", f"{candidate.answer} where the parent had {parent.answer}")


def refuse_bad_answer(candidate: Candidate, parent: Parent) -> Refusal | None:
    """`bad_answer`: not the right option's text, too long, or not of the type it is said to be."""
    claimed, right = candidate.claimed, parent.right_option
    if len(claimed) > LONGEST_ANSWER:
        return Refusal("bad_answer", f"{len(claimed)} characters, at most {LONGEST_ANSWER}")
    if right is None or _bare(claimed) != _bare(right):
        return Refusal("bad_answer", f"{claimed!r} is not the right option, {right!r}")
    if candidate.answer_type == "number" and read_number(candidate.answer) is None:
        return Refusal("bad_answer", f"{claimed!r} is said to be a number")
    if _LOST_EXPONENT.search(claimed):
        return Refusal("bad_answer", f"{claimed!r} has lost the place of its exponent")
    return None


def version_of(reason: str) -> int:
    """Return the version that a verdict is kept under."""
    return NOT_DECIDED if reason in NOT_DECIDED_REASONS else VERSION


def find_refusal(gates: Sequence[Gate], candidate: Candidate, parent: Parent) -> Refusal | None:
    """Return the first gate's refusal, None if the candidate passes them all."""
    for gate in gates:
        if refusal := gate(candidate, parent):
            return refusal
    return None


def _run_on(program: str, text: str) -> Fraction | None:
    """Evaluate a program over a text's numbers; None where it has no value."""
    try:
        return Fraction(evaluate(program, values_of(text)))
    except ProgramError:
        return None


def _skeleton(text: str) -> str:
    """Return what two texts that differ in numbers only have in common."""
    return NUMBER.sub("#", normalise(text))


def _longer_words(text: str) -> set[str]:
    return {word for word in re.findall(r"[^\W\d_]+", text.casefold()) if len(word) > 3}


def _is_overlong(candidate: Candidate, parent: Parent) -> bool:
    return len(candidate.text) > 2 * len(parent.text) + _LONGEST_GROWTH


def _bare(answer: str) -> str:
    return normalise(answer).strip("$. ")
