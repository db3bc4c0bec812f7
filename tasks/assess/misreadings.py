r"""Misreadings: what the symbolic checker takes for another answer than it is, decided before it.

    key               answer                     the checker reads
    9                 4 \quad 5                  4 + 5
    -1<x<1            \pm 1                      the ends of the interval
    n≡1 (mod 3)       n≡2 (mod 3)                n and n
    3:4:5             3:5:4                      3/(4·5) both times
    \angle ABC        \angle ACB                 a·b·c both times
    5                 more than 5 are needed     the last number of a sentence

What is decided here is decided by what is written; all else is left alone.
"""

import re
from functools import lru_cache

from tasks.assess.algebra import read_set, read_value, same_value
from tasks.assess.extract import strip_wrappers
from tasks.assess.numbers import normalise_latex, squeeze
from tasks.assess.polynomials import TooLargeError, Value, is_same
from tasks.assess.verifiers import Outcome

_WIDE_SPACE = re.compile(r"\\q?quad(?![A-Za-z])|\\hspace\*?\{[^{}]*\}")
_SIDE_BY_SIDE = re.compile(
    r"(?<![\d.])(?P<first>\d+(?:\.\d+)?)\s+(?P<second>\d+(?:\.\d+)?)(?P<over>\s*/\s*\d)?"
)
_TAKES_DIGITS = re.compile(r"(?:\\(?:frac|binom|sqrt|log|over)|[\]^_])\s*$")
_THOUSANDS = re.compile(r"\d{3}(?:\.\d+)?")
_INEQUALITY = re.compile(r"[<>]|\\(?:[lg]eq?(?:slant|q)?|[lg]t)(?![A-Za-z])")
_IN_BRACKETS = re.compile(r"[\[(][^\[\](),]+(?:,[^\[\](),]+)+[\])]")
_BUILT = re.compile(r"\\\{.*(?:\\mid|[:|]).*\\\}", re.DOTALL)
_DIVIDES = re.compile(r"[^=(]*\\mid(?![A-Za-z])[^=(]*")
_NAME = re.compile(r"^\s*(?P<name>[A-Za-z](?:_\{?\w\}?)?)\s*=(?!=)\s*")
_JOINED = re.compile(r",|;|\band\b|\bor\b")
_MODULO = re.compile(r"\bmod\b|\\[pb]?mod(?![A-Za-z])")
_CONGRUENCE = re.compile(
    r"(?:[^=≡,]*?(?:\\equiv|≡|=)\s*)?(?P<residues>[^=≡]+?)\s*\(?\s*\\?[pb]?mod\s*"
    r"[{(]?\s*(?P<modulus>\d{1,9})\s*[})]*"
)
_RESIDUE = re.compile(r"\s*(?P<both>\\pm\s*)?(?P<value>[-+]?\d{1,15})\s*")
_BRACES = re.compile(r"[{}\s]")
_PRIMES = re.compile(
    r"(?:(?<![A-Za-z])[A-Za-z]|\))\s*(?:'+(?![a-z])|\^\s*\{?\s*(?:\\prime\s*)+\}?)"
)
_DERIVATIVE = re.compile(r"\\frac\s*\{\s*d[^{}]*\}\s*\{\s*d[^{}]*\}|\bd\w\s*/\s*d\w\b")
_ANGLE = re.compile(r"(?:\\angle|\\widehat|∠)\s*\{?\s*(?P<letters>[A-Z]{3})\s*\}?")
_POINTS = re.compile(r"(?P<letters>[A-H]{3,}|[A-Za-z]{6,})")  # No product: BIL and mgh are some.
_DELIMITED = re.compile(r"(?<!\\)\$|\\\(|\\\[")
_COMMANDS = re.compile(r"\\[A-Za-z]+")
_WORDS = re.compile(r"[A-Za-z]{2,}")
_MOST_WORDS = 3  # With more of them the checker looks for a number in a sentence.
# The checker takes the last number of a sentence, whatever is said of it.
_HEDGED = re.compile(
    r"\b(?:cannot|impossible|not possible|unknown)\b|\d[xyznkab]\b(?=\D*$)"
    r"|\b(?:not|than|least|most|over|under|above|below|between|minus|negative|half of|root of"
    r"|twice|times|up to|or|to)\s+[-$]?\d[\d.,]*(?=\D*$)"
    r"|\d[^\d=]*\b(?:and|or|to)\b[^\d=]*\d[\d.,]*(?=\D*$)",
    re.IGNORECASE,
)


def decide_misread(key: str, answer: str) -> Outcome | None:
    """Decide what the checker would misread; None where it is nothing of the kind."""
    for decide in (
        _decide_side_by_side,
        _decide_congruences,
        _decide_ratios,
        _decide_ranges,
        _decide_pairs,
        _decide_derivatives,
        _decide_letters,
        _decide_prose,
    ):
        if outcome := decide(key, answer):
            return outcome
    return None


@lru_cache(maxsize=16_384)
def stand_side_by_side(text: str) -> bool:
    r"""Tell whether numbers stand beside each other with nothing between: `4 \quad 5`, `1 2 3`.

    `3 1/2`, `10 000` and `\frac 1 2` are one number each; among words numbers may be a date.
    """
    plain = _WIDE_SPACE.sub(" ", normalise_latex(text))
    if _WORDS.search(_COMMANDS.sub(" ", plain)):
        return False
    return any(
        not match["over"]
        and not (len(match["first"]) <= 3 and _THOUSANDS.fullmatch(match["second"]))
        and not _TAKES_DIGITS.search(plain, 0, match.start())
        for match in _SIDE_BY_SIDE.finditer(plain)
    )


def leaves_order_open(left: str, right: str) -> bool:
    """Tell whether one is a pair and the other a list without an order: `(1,2)` and `2, 1`."""
    sides = (left, right), (right, left)
    return any(_find_pair(one) is not None and _is_set(other) for one, other in sides)


@lru_cache(maxsize=16_384)
def _find_pair(text: str) -> re.Match[str] | None:
    return _IN_BRACKETS.fullmatch(normalise_latex(text).replace("\\infty", "0"))


def _decide_side_by_side(key: str, answer: str) -> Outcome | None:
    if stand_side_by_side(answer):
        return Outcome("wrong", "several_numbers")
    return Outcome("unverifiable", "key_not_read") if stand_side_by_side(key) else None


def _decide_congruences(key: str, answer: str) -> Outcome | None:
    """Compare residues and their moduli, both of which the checker drops."""
    if not (_MODULO.search(key) and _MODULO.search(answer)):
        return None
    wanted, found = _read_residues(key), _read_residues(answer)
    if wanted is None or found is None:  # Of letters: as they are written.
        same = squeeze(_BRACES.sub("", key)) == squeeze(_BRACES.sub("", answer))
    else:
        same = wanted == found
    return Outcome("correct" if same else "wrong", "residue")


def _read_residues(text: str) -> tuple[int, frozenset[int]] | None:
    match = _CONGRUENCE.fullmatch(normalise_latex(text))
    if match is None or (modulus := int(match["modulus"])) == 0:
        return None
    parts = [_RESIDUE.fullmatch(part) for part in _JOINED.split(match["residues"])]
    values = [(int(part["value"]), part["both"]) for part in parts if part]
    if len(values) < len(parts):
        return None
    residues = {value % modulus for value, _ in values}
    return modulus, frozenset(residues | {-value % modulus for value, both in values if both})


def _decide_ratios(key: str, answer: str) -> Outcome | None:
    """Compare ratios of three parts and more; the checker divides them in a row."""
    wanted, found = _read_ratio(key), _read_ratio(answer)
    if not wanted and not found:
        return None
    try:
        same = len(wanted) == len(found) and all(
            is_same(mine * found[0], yours * wanted[0])
            for mine, yours in zip(wanted, found, strict=True)
        )
    except TooLargeError:
        return Outcome("unverifiable", "too_complex")
    return Outcome("correct" if same else "wrong", "ratio")


def _read_ratio(text: str) -> list[Value]:
    """Return the parts of `3:4:5` or `a:b:c = 3:4:5`; none where they begin with nothing."""
    parts = normalise_latex(text).replace("\\colon", ":").rpartition("=")[2].split(":")
    values = [value for part in parts if (value := read_value(part.strip())) is not None]
    return values if len(values) == len(parts) > 2 and values[0].top else []


def _decide_ranges(key: str, answer: str) -> Outcome | None:
    r"""Tell a range from its ends (`1<x<2`, `1, 2`) and what divides 5 (`n \mid 5`) from 5."""
    for ranged, other in ((key, answer), (answer, key)):
        if _INEQUALITY.search(other):
            continue
        bounded = _INEQUALITY.search(ranged) is not None
        if _is_set(other) and bounded:
            return Outcome("wrong", "other_relation")
        is_built = _BUILT.search(ranged) is not None
        if read_value(other) is not None and (
            (is_built and bounded) or (not is_built and _DIVIDES.fullmatch(ranged))
        ):
            return Outcome("wrong", "other_relation")
    return None


def _decide_pairs(key: str, answer: str) -> Outcome | None:
    r"""Tell `(1,2)`, a pair or range, from `\{1,2\}` and `\pm 1`; read `y=2, x=1` by its names."""
    for one, other in ((key, answer), (answer, key)):
        if _find_pair(one) is None:
            continue
        plain = normalise_latex(other)
        if _is_set(other) and (plain.startswith("\\{") or "\\pm" in plain):
            return Outcome("wrong", "other_brackets")
        if ordered := _order_by_name(plain):
            return Outcome("correct" if same_value(one, ordered) else "wrong", "named")
    return None


def _order_by_name(text: str) -> str | None:
    """Return `(1, 2)` for `y = 2, x = 1`; None where names are missing or in their order."""
    parts = [(_NAME.match(part), part) for part in _JOINED.split(text)]
    named = [(match["name"], part[match.end() :].strip()) for match, part in parts if match]
    names = [name for name, _ in named]
    if len(named) < len(parts) or len(set(names)) < len(names) or names == sorted(names):
        return None
    return f"({', '.join(value for _, value in sorted(named))})"


@lru_cache(maxsize=16_384)
def _is_set(text: str) -> bool:
    r"""Tell `1, 2`, `\{1, 2\}`, `x=1 \text{ or } x=2` and `\pm 1`."""
    plain = normalise_latex(text)
    if read_set(plain):
        return True
    if plain.count("\\pm") == 1:
        return read_value(_NAME.sub("", plain).replace("\\pm", "+")) is not None
    parts = [_NAME.sub("", part).strip() for part in _JOINED.split(plain)]
    return len(parts) > 1 and bool(read_set(", ".join(parts)))


def _decide_derivatives(key: str, answer: str) -> Outcome | None:
    """Tell a function from its derivative: the checker leaves primes out."""
    if ("=" in key) != ("=" in answer):
        return None
    names = [normalise_latex(text).partition("=")[0] for text in (key, answer)]
    quotients = [[squeeze(found) for found in _DERIVATIVE.findall(name)] for name in names]
    if all(quotients):
        return None if quotients[0] == quotients[1] else Outcome("wrong", "other_derivative")
    primes = [
        sum(mark.count("'") + mark.count("prime") for mark in _PRIMES.findall(name))
        for name in names
    ]
    same = primes[0] == primes[1] or any(quotients)  # y' and dy/dx are one.
    return None if same else Outcome("wrong", "other_derivative")


def _decide_letters(key: str, answer: str) -> Outcome | None:
    """Tell names of points, orders and words by the order of their letters, not as products."""
    for pattern in (_ANGLE, _POINTS):
        sides = [pattern.fullmatch(normalise_latex(text)) for text in (key, answer)]
        one, other = (match["letters"].casefold() if match else "" for match in sides)
        if one and other and one != other and not (pattern is _ANGLE and one == other[::-1]):
            return Outcome("wrong", "other_order")
    return None


def _decide_prose(key: str, answer: str) -> Outcome | None:
    """Refuse a sentence that hedges its last number or adds it to others; the key is one value."""
    if read_value(key) is None or _DELIMITED.search(answer):
        return None
    said = _COMMANDS.sub(" ", strip_wrappers(answer))
    is_sentence = len(_WORDS.findall(said)) > _MOST_WORDS
    return Outcome("wrong", "qualified") if is_sentence and _HEDGED.search(said) else None
