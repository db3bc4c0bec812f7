"""Gates on a rewrite that makes a task checkable: complete alone, one short answer, no guess.

refuse_lost_reference(candidate, parent)
→ Refusal("not_self_contained", "refers to what is not there: 'part (a)'")
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from tasks.rewrite import acceptance, same_task, soundness
from tasks.rewrite.acceptance import LONGEST_ANSWER, Gate
from tasks.rewrite.answers import FORMULA, numbers_said, read_number, show_number
from tasks.rewrite.candidate import Candidate, Parent, Refusal
from tasks.rewrite.program import ProgramError, find_numbers, steps_of, written_forms

LEAST_COMMON_WORDS = 0.25  # of the rewrite's words, or of the parent's, that they have in common
_LARGEST_CONSTANT = 12  # a formula's own numbers: halves, squares, months
_CONSTANTS = frozenset(map(Fraction, (24, 60, 90, 100, 180, 360, 1000)))
_FEWEST_STEMS = 4  # in a parent with fewer its formulas are looked at as well
_STEM = 5  # letters: "diagonals" and "diagonal" are the same word
_LOST_REFERENCE = re.compile(
    r"\b(?:part|question|step|exercise) (?:\(?[a-h1-8]\)|[A-H]\b|[1-8]\b|one|two|three)"
    r"|\b(?:the|its|this|that) (?:previous|preceding|earlier|original|above|given)"
    r" (?:part|question|step|problem|result|answer|task|text|code|function|exercise)\b"
    r"|\b(?:as|seen|shown|found|computed|calculated|described|mentioned|stated|defined|proved)"
    r" (?:above|before|earlier|below|previously)\b"
    r"|\bthe (?:number|value|amount|figure|diagram|graph|table|picture|code|text)"
    r" (?:shown|above|below|pictured)\b"
    r"|\b(?:in|from|use) the (?:figure|diagram|graph|picture|passage)\b",
    re.IGNORECASE,
)
_STILL_OPEN = re.compile(
    r"\b(?:dis)?prove(?:s|n)?\b|\bproof\b|\bshow (?:that|why)\b|\bdemonstrate\b|\bjustify\b"
    r"|\b(?:explain|describe|discuss|outline|compare|argue|derive|sketch)\b|^\s*why\b",
    re.IGNORECASE,
)
_CLOSED = frozenset({"yes", "no", "true", "false", "always", "never", "none", "increases",
                     "decreases", "it depends"})  # fmt: skip
_MOST_WORDS = 4
_FUNCTION_WORDS = frozenset({
    "the", "and", "for", "from", "with", "that", "this", "what", "which", "how", "why", "are",
    "was", "has", "have", "its", "into", "not", "all", "any", "each", "many", "does", "when",
})  # fmt: skip


def refuse_still_open(candidate: Candidate, parent: Parent) -> Refusal | None:
    """`still_open`: a proof or an explanation is asked for, which no key can be compared with."""
    asked = _STILL_OPEN.search(candidate.text)
    return Refusal("still_open", f"asks to {asked.group().strip()!r}") if asked else None


def refuse_lost_reference(candidate: Candidate, parent: Parent) -> Refusal | None:
    """`not_self_contained`: the statement refers to a part or a figure that is not there."""
    lost = _LOST_REFERENCE.search(candidate.text)
    if lost is None:
        return None
    return Refusal("not_self_contained", f"refers to what is not there: {lost.group()!r}")


def refuse_told_answer(candidate: Candidate, parent: Parent) -> Refusal | None:
    """`answer_leaked`: the statement says the key more often than the parent's statement does."""
    return acceptance.refuse_leaked_answer(candidate, replace(parent, answer=None, choices=()))


def refuse_told_step(candidate: Candidate, parent: Parent) -> Refusal | None:
    """`easier`: the statement says what a step of its program comes to, which is no datum."""
    try:
        steps = steps_of(candidate.program or "0")
    except ProgramError:
        return None
    given = set(find_numbers(candidate.program or ""))
    told = set(steps) & set(numbers_said(candidate.text)) - given
    if not told:
        return None
    return Refusal("easier", f"says {show_number(min(told))}, a step of its program")


def refuse_missing_number(candidate: Candidate, parent: Parent) -> Refusal | None:
    """`data_missing`: the program computes with a number that the statement does not give.

    Small ones and a few others may be a formula's own; so may what the parent says.
    """
    said = set(numbers_said(candidate.text)) | set(numbers_said(parent.text))
    forms = {form for number in said for form in written_forms(number)}
    for number in find_numbers(candidate.program or ""):
        if number in forms or number in _CONSTANTS or number <= _LARGEST_CONSTANT:
            continue
        return Refusal("data_missing", f"the program uses {show_number(number)}, nothing says it")
    return None


def refuse_own_number_missing(candidate: Candidate, parent: Parent) -> Refusal | None:
    """`data_missing`: none of the program's numbers stands in the statement, or it has none."""
    used = find_numbers(candidate.program or "")
    if candidate.program is None or set(used) & set(numbers_said(candidate.text)):
        return None
    return Refusal("data_missing", "the program uses no number of the statement")


def refuse_bare_program(candidate: Candidate, parent: Parent) -> Refusal | None:
    """`program_detached`: the program is a number; nothing is computed."""
    try:
        computes = bool(steps_of(candidate.program or "0"))
    except ProgramError:
        computes = False
    return None if computes else Refusal("program_detached", "the program is a bare number")


def refuse_guessable(candidate: Candidate, parent: Parent) -> Refusal | None:
    """`easier`: 0, 1, yes or no: a student that reads nothing is right too often."""
    bare = candidate.answer.strip(" .").casefold()
    if bare not in _CLOSED and read_number(candidate.answer) not in (0, 1):
        return None
    return Refusal("easier", f"the answer is {candidate.answer}, which can be guessed")


def refuse_wordy_answer(candidate: Candidate, parent: Parent) -> Refusal | None:
    """`bad_answer`: a sentence, which nobody words the same way, or not of its type."""
    answer = candidate.answer
    if len(answer) > LONGEST_ANSWER or "\n" in answer or len(answer.split()) > _MOST_WORDS:
        return Refusal("bad_answer", f"{answer[:100]!r} is more than {_MOST_WORDS} words")
    if candidate.answer_type == "number" and read_number(answer) is None:
        return Refusal("bad_answer", f"{answer!r} is said to be a number")
    return None


def refuse_unwritten_fraction(candidate: Candidate, parent: Parent) -> Refusal | None:
    """`endless_decimal`: a/b, and the statement does not say that a fraction is wanted."""
    if "/" not in candidate.answer or "fraction" in candidate.text.casefold():
        return None
    return Refusal("endless_decimal", f"{candidate.answer}, and no word about a fraction")


def refuse_unrelated(candidate: Candidate, parent: Parent) -> Refusal | None:
    """`drifted`: the statement and the parent hardly share a word, so it is another subject.

    A parent that is hardly more than formulas has no subject but what stands in them.
    """
    asked = _STILL_OPEN.sub(" ", parent.text)
    own, theirs = _stems(candidate.text), _stems(asked)
    if len(_stems(FORMULA.sub(" ", asked))) < _FEWEST_STEMS:
        own, theirs = own | _symbols(candidate.text), theirs | _symbols(asked)
    common = len(own & theirs)
    if common >= LEAST_COMMON_WORDS * min(len(own), len(theirs)) and common:
        return None
    return Refusal("drifted", f"{common} of its words are the parent's")


def refuse_whole_parent(candidate: Candidate, parent: Parent) -> Refusal | None:
    """`near_copy`: all of the parent's text stands in the rewrite, with something around it."""
    if " ".join(parent.text.split()) not in " ".join(candidate.text.split()):
        return None
    return Refusal("near_copy", "the parent's text stands in it as it was")


def refuse_overlong(candidate: Candidate, parent: Parent) -> Refusal | None:
    """`drifted`: much longer than the parent; a short statement has room for a few sentences."""
    most = 1.5 * len(parent.text) + 300
    if len(candidate.text) <= most:
        return None
    return Refusal("drifted", f"{len(candidate.text)} characters, at most {most:.0f}")


def _symbols(text: str) -> set[str]:
    """Return the numbers, names and commands of a text's formulas: {"60", "x", "binom"}."""
    return {
        symbol
        for formula in FORMULA.findall(text)
        for symbol in re.findall(r"[0-9]+|[^\W\d_]+", formula)
    }


def _stems(text: str) -> set[str]:
    words = re.findall(r"[^\W\d_]+", text.casefold())
    return {word[:_STEM] for word in words if len(word) > 2 and word not in _FUNCTION_WORDS}


# What every question with one short answer has to pass, whatever it was made of.
SHORT_ANSWER: Sequence[Gate] = (
    acceptance.refuse_unchanged,
    refuse_whole_parent,
    refuse_wordy_answer,
    refuse_guessable,
    refuse_still_open,
    acceptance.refuse_options_left,
    acceptance.refuse_key_mismatch,
    refuse_told_answer,
    same_task.refuse_help,
    refuse_told_step,
    soundness.refuse_not_unique,
    soundness.refuse_vague_amount,
    refuse_lost_reference,
    refuse_unwritten_fraction,
    refuse_unrelated,
    refuse_overlong,
)
# The same where a program computes the answer.
COMPUTED: Sequence[Gate] = (
    *SHORT_ANSWER,
    refuse_bare_program,
    refuse_own_number_missing,
    refuse_missing_number,
)
