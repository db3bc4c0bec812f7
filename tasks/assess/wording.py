r"""Wording: what stands around a number and makes it another one, or several, or none.

>>> split_relation(r"\geq 5"), qualifies("5 or more"), qualifies("5 more apples")
(('≥', '5'), True, False)
>>> is_same_time("12:30 p.m.", "12:30 a.m."), is_same_numeral("52_8", "52_{7}")
(False, False)
"""

import re

from tasks.assess.extract import NUMBER_WORDS, TO, strip_wrappers

_RELATIONS = {
    "≠": r"\\neq?|\\not\s*=|!=|<>",
    "≥": r"\\geq?(?:q|slant)?|>=",
    "≤": r"\\leq?(?:q|slant)?|<=",
    ">": r"\\gt|>",
    "<": r"\\lt|<",
    "¬": r"\\neg|\\lnot",
}
_RELATION = re.compile(
    r"(?:"
    + "|".join(f"(?P<r{at}>{signs})" for at, signs in enumerate(_RELATIONS.values()))
    + r")(?![A-Za-z=])\s*(?P<rest>\S.*)",
    re.DOTALL,
)
_QUALIFIER = re.compile(
    rf"(?:or|{TO}|plus|minus|over|divided|below(?!\s+zero)|under|above|not|factorial|halves)(?:\s+[a-z].*)?"
    r"|(?:and)\s+(?:up|above|below|over|under|more|less|counting)\b.*"
    rf"|(?:.*\s)?(?:plus|minus|times|over|point|and|or|{TO}|by)\s+{NUMBER_WORDS}(?:\s.*)?"
    r"|.*\bor\s+(?:so|above|below|over|under|later|earlier|(?:more|less|fewer|great|high|low|old"
    r"|young|larg|small)(?:er)?)"
    r"(?:\s.*)?"
    r"|(?:.*\s)?at\s+(?:least|most)(?:\s.*)?"
    rf"|(?:.*\s)?(?:more|less|fewer|greater)\s+than\s+(?:{NUMBER_WORDS}\b|\d).*",
    re.DOTALL,
)
_WORDED = re.compile(r"[-+]?[\d.,]*\d\)?\s*(?P<rest>[A-Za-z].*)", re.DOTALL)
_TIME = re.compile(
    r"(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d))?\s*(?:(?P<half>[ap])\.?\s?m\.?)?",
    re.IGNORECASE,
)
_NUMERAL = re.compile(r"\(?(?P<digits>[0-9A-Z]{1,80})\)?_\{?\s*(?P<base>\d{1,2})\s*\}?")


def split_relation(text: str) -> tuple[str, str]:
    r"""Return the relation that a text begins with, if any but `=` and `≈`, and the rest."""
    plain = text.strip().strip("$").strip()
    if match := _RELATION.match(plain):
        named = next(sign for at, sign in enumerate(_RELATIONS) if match[f"r{at}"] is not None)
        return named, match["rest"]
    return "", text


def qualifies(text: str) -> bool:
    """Tell whether words behind a number say that it is not the answer: `5 or more`, `5 plus two`.

    Other words are a unit or a remark; so is `more` alone, which tells how many more.
    """
    match = _WORDED.fullmatch(text)
    return match is not None and _QUALIFIER.fullmatch(match["rest"].lower().strip()) is not None


def is_same_time(left: str, right: str) -> bool | None:
    """Compare two times of day; None if one of them is no such time, as `5:75` is not.

    A time without a.m. or p.m. is either, up to noon.
    """
    sides = [_TIME.fullmatch(strip_wrappers(text).strip()) for text in (left, right)]
    if None in sides:
        return None
    one, other = (match for match in sides if match is not None)
    if any(int(match["minute"]) > 59 or int(match["hour"]) > 24 for match in (one, other)):
        return one[0] == other[0]
    exact = [(match["minute"], match["second"] or "00") for match in (one, other)]
    hours = [_read_hours(match) for match in (one, other)]
    return exact[0] == exact[1] and bool(hours[0] & hours[1])


def is_same_numeral(left: str, right: str) -> bool | None:
    """Compare two numerals whose bases are both said, digits and base; None for anything else."""
    sides = [_NUMERAL.fullmatch(text.strip().strip("$").replace(" ", "")) for text in (left, right)]
    if None in sides:
        return None
    one, other = ((match["digits"].lstrip("0"), int(match["base"])) for match in sides if match)
    return one == other


def _read_hours(match: re.Match[str]) -> set[int]:
    hour = int(match["hour"])
    if match["half"] is None:
        return {hour} if hour > 12 or hour == 0 else {hour % 12, hour % 12 + 12}
    return {hour % 12 + (12 if match["half"].lower() == "p" else 0)} if hour <= 12 else {hour}
