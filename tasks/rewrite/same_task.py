"""Gates on a rewrite that must ask the very same in other words: what may not change, what must.

    refuse_changed_condition(candidate, parent)
    → Refusal("condition_changed", "'at least' of the parent is missing")

Only words are compared, so a sound rewrite that says "no fewer than" for "at least" is refused too.
"""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from tasks.identity import normalise
from tasks.rewrite.acceptance import CODE_BLOCK, MEASURE, OPTION_PHRASE
from tasks.rewrite.answers import FORMULA, numbers_said, show_number
from tasks.rewrite.candidate import Candidate, Parent, Refusal

MOST_KEPT_PAIRS = 0.8  # of the parent's neighbouring words; above it the rewrite is a near-copy
# x^2, 3x, H2O, 1:25,000 and such: what has a digit and is no plain number.
_SYMBOL = re.compile(r"[\w^{}\\+*/=<>:%°²³-]*\d[\w^{}\\+*/=<>:%°²³-]*")
_PLAIN_NUMBER = re.compile(r"[0-9]+(?:[.,][0-9]+)*")
_WORD = re.compile(r"[^\W\d_]+")
# What decides a task though it is a small word. Words of a group may stand for each other.
_CONDITIONS = (
    ("at least",), ("at most",), ("more",), ("less",), ("fewer",), ("not", "n't", "cannot"),
    ("no",), ("none",), ("without",), ("except",), ("exactly",), ("only",), ("same",), ("equal",),
    ("different", "distinct"), ("each", "every"), ("both",), ("all",), ("any",), ("or",),
    ("largest", "greatest", "biggest", "maximum", "highest", "most"),
    ("smallest", "least", "minimum", "lowest"),
    ("first",), ("last",), ("next",), ("half",), ("twice", "double"), ("triple", "thrice"),
    ("dozen",), ("third", "thirds"), ("quarter", "quarters"), ("remainder",), ("average", "mean"),
    ("product",), ("difference",), ("positive",), ("negative",), ("even",), ("odd",), ("prime",),
    ("random",), ("further",), ("identical",),
)  # fmt: skip
_CONDITION = {word: group[0] for group in _CONDITIONS for word in group}
_CONDITION_WORD = re.compile(
    r"\b(?:" + "|".join(sorted(map(re.escape, _CONDITION), key=len, reverse=True)) + r")\b",
    re.IGNORECASE,
)
# Sentences that say in which form the answer is wanted.
_FORM = re.compile(
    r"(?:^|(?<=[.?!`]\s)|\n)(?:give|answer|write|state|express|round)\b[^?!]*?(?=[.?!](?:\s|$)|$)",
    re.IGNORECASE,
)
_SHORTENED = re.compile(r"\b(what|who|where|that|how|it)['’]s\b")
_HELP = re.compile(
    r"\b(?:hint|note that|recall that|remember that|it helps|use the (?:fact|formula|rule)"
    r"|for example|e\.g\.|first,? (?:compute|find|calculate|work out)|step \d"
    r"|(?:starts?|begins?) with the letter|rhymes with|it is not|between which)\b",
    re.IGNORECASE,
)


def refuse_near_copy(candidate: Candidate, parent: Parent) -> Refusal | None:
    """`near_copy`: more than four in five of the parent's neighbouring words still are."""
    old, new = _pairs(parent.text), _pairs(candidate.text)
    if not old:
        return None
    kept = (old & new).total() / old.total()
    if kept <= MOST_KEPT_PAIRS:
        return None
    return Refusal("near_copy", f"{kept:.0%} of the parent's neighbouring words are left")


def refuse_changed_data(candidate: Candidate, parent: Parent) -> Refusal | None:
    """`data_changed`: a number, a formula, a unit or code is missing, is new or is another one."""
    for what, find in _DATA.items():
        before, after = find(parent.text), find(candidate.text)
        if lost := before - after:
            return Refusal("data_changed", f"{what} {next(iter(lost))} of the parent is missing")
        if added := after - before:
            return Refusal("data_changed", f"{what} {next(iter(added))} is not the parent's")
    return None


def refuse_changed_condition(candidate: Candidate, parent: Parent) -> Refusal | None:
    """`condition_changed`: a small word that decides the task is missing or new.

    It may be new in a sentence that says in which form to answer.
    """
    before = _conditions(parent.text)
    if refusal := refuse_lost_condition(candidate, parent):
        return refusal
    if added := _conditions(_FORM.sub(" ", CODE_BLOCK.sub("`", candidate.text))) - before:
        return Refusal("condition_changed", f"{next(iter(added))!r} is not the parent's")
    return None


def refuse_lost_condition(candidate: Candidate, parent: Parent) -> Refusal | None:
    """`condition_changed`: a small word that decides the task is missing; new ones may be there."""
    if lost := _conditions(parent.text) - _conditions(candidate.text):
        return Refusal("condition_changed", f"{next(iter(lost))!r} of the parent is missing")
    return None


def refuse_lost_form(candidate: Candidate, parent: Parent) -> Refusal | None:
    """`form_lost`: the parent says how to write the answer, the rewrite does not say it so."""
    said = normalise(candidate.text).casefold()
    for form in _FORM.findall(normalise(parent.text)):
        if form.casefold() not in said:
            return Refusal("form_lost", f"{form[:100]!r} is missing")
    return None


def refuse_help(candidate: Candidate, parent: Parent) -> Refusal | None:
    """`easier`: the rewrite gives help that the parent did not give."""
    given = _HELP.search(candidate.text)
    if given is None or given.group().casefold() in parent.text.casefold():
        return None
    return Refusal("easier", f"gives help: {given.group()!r}")


def refuse_growth(candidate: Candidate, parent: Parent) -> Refusal | None:
    """`drifted`: much longer or shorter than the parent."""
    before, after = len(normalise(parent.text)), len(normalise(candidate.text))
    if before / 2 - 20 <= after <= 1.5 * before + 60:
        return None
    return Refusal("drifted", f"{after} characters, of {before}")


def _pairs(text: str) -> Counter[tuple[str, str]]:
    plain = _SHORTENED.sub(r"\1 is", FORMULA.sub(" ", normalise(text).casefold()))
    words = re.findall(r"[^\W_]+", plain)
    return Counter(pairwise(words))


def _numbers(text: str) -> Counter[str]:
    return Counter(map(show_number, numbers_said(text)))


def _formulas(text: str) -> Counter[str]:
    formulas = Counter("".join(formula.split()) for formula in FORMULA.findall(text))
    symbols = (found.strip(":-") for found in _SYMBOL.findall(FORMULA.sub(" ", text)))
    return formulas + Counter(
        symbol for symbol in symbols if symbol and not _PLAIN_NUMBER.fullmatch(symbol)
    )


def _units(text: str) -> Counter[str]:
    return Counter(sorted({unit.casefold().removesuffix("s") for unit in MEASURE.findall(text)}))


def _code(text: str) -> Counter[str]:
    return Counter(CODE_BLOCK.findall(text))


def _conditions(text: str) -> Counter[str]:
    return Counter(sorted(set(_condition_words(text))))


def _condition_words(text: str) -> Iterator[str]:
    plain = OPTION_PHRASE.sub(" ", FORMULA.sub(" ", CODE_BLOCK.sub(" ", text)))
    for found in _CONDITION_WORD.findall(plain):
        yield _CONDITION[found.casefold()]


_DATA = {"the number": _numbers, "the formula": _formulas, "the unit": _units, "the code": _code}
