r"""Read an answer as an exact number, where it is plainly one: the fast path before the checker.

    >>> [read_number(text).value for text in ("\\frac12", "$1,234.50", "3 dozen eggs")]
    [Fraction(1, 2), Fraction(2469, 2), Fraction(36, 1)]

What is not plainly a number gives None and is left to the symbolic checker.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from tasks.assess.extract import strip_wrappers

MOST_DIGITS = 15
SCALES = {
    "dozen": 12,
    "hundred": 100,
    "thousand": 1_000,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
}
_DROPPED = re.compile(r"\\(?:left|right|displaystyle|,|!|;|:| )|~")
_DECIMAL = r"(?:[1-9]\d{0,2}(?:,\d{3})+|[1-9]\d{0,2}(?: \d{3})+|\d+)(?:\.\d*)?|\.\d+"
_PLAIN = re.compile(rf"(?P<sign>[-+]?)\s*(?:{_DECIMAL})")
_SCIENTIFIC = re.compile(r"[-+]?\d+(?:\.\d+)?[eE][-+]?\d{1,3}")
_COMMA_DECIMAL = re.compile(r"([-+]?\d+),(\d+)")
_RATIO = re.compile(r"([-+]?)\s*(\d+)\s*/\s*(\d+)")
_FRAC = re.compile(r"([-+]?)\s*\\frac\s*(?:\{\s*(-?\d+)\s*\}|(\d))\s*(?:\{\s*(\d+)\s*\}|(\d))")
_MIXED = re.compile(
    r"([-+]?)\s*(\d+)(?:\s+([1-9]\d?)\s*/\s*(\d+)|\s*\\frac\s*(?:\{\s*(\d+)\s*\}|(\d))\s*"
    r"(?:\{\s*(\d+)\s*\}|(\d)))"
)
_UNIT = re.compile(
    r"(?P<number>.*?[\d.}])\s*(?P<unit>[A-Za-z°µ][A-Za-z°µ/.²³]*(?:\s+[A-Za-z]+){0,3})\s*"
)
_POWER = re.compile(r"\^\s*(?:\{\s*[23]\s*\}|[23]|\{?\s*\\(?:circ|degree)\s*\}?)\s*$")


@dataclass(frozen=True, slots=True)
class Number:
    """An exact value and how it was written."""

    value: Fraction
    percent: bool = False
    decimal: bool = False
    unit: str = ""


@lru_cache(maxsize=262_144)
def read_number(text: str) -> Number | None:
    """Return the number that a text plainly is, scaled by words such as `million`, else None."""
    if not text or len(text) > 80:
        return None
    plain = normalise_latex(text)
    percent = False
    for sign in ("\\%", "%", " percent", " percentage", " pct"):
        if plain.endswith(sign):
            percent, plain = True, plain[: -len(sign)].rstrip()
            break
    value = _read_value(plain)
    if value is not None:
        return Number(value, percent, decimal="." in plain)
    if percent or (match := _UNIT.fullmatch(_POWER.sub("", plain))) is None:
        return None
    value = _read_value(match["number"].strip())
    words = match["unit"].lower().split()
    if value is None or len(match["unit"]) == 1 or not _is_unit(words):
        return None
    for word in words:
        value *= SCALES.get(word, 1)
    unit = " ".join(word for word in words if word not in SCALES)
    return Number(value, decimal="." in match["number"], unit=unit)


def read_comma_decimal(text: str) -> Number | None:
    """Read `3,5` as 3.5. It may be a list of two: ask only if the other side is a number."""
    match = _COMMA_DECIMAL.fullmatch(normalise_latex(text)) if len(text) <= 80 else None
    return Number(Fraction(f"{match[1]}.{match[2]}"), decimal=True) if match else None


@lru_cache(maxsize=262_144)
def normalise_latex(text: str) -> str:
    r"""Take off what never changes an answer: `$`, \left, spacing, \text{}, a final full stop."""
    plain = text.strip().replace("\u2212", "-").replace("{,}", ",")
    plain = plain.replace("\\dfrac", "\\frac").replace("\\tfrac", "\\frac")
    plain = plain.replace("\\varnothing", "\\emptyset")
    plain = plain.replace("\\$", "").strip("$").replace("^{\\circ}", "").replace("^\\circ", "")
    plain = _DROPPED.sub("", strip_wrappers(plain)).strip()
    plain = plain.lstrip("€£¥$").strip()
    return re.sub(r"\s+", " ", re.sub(r"(?<=[^.])\.$", "", plain)).strip()


def squeeze(text: str) -> str:
    """Return the normalised text without whitespace where that cannot join two words or numbers."""
    return re.sub(r"(?<![A-Za-z0-9])\s+|\s+(?![A-Za-z0-9])", "", normalise_latex(text))


def _is_unit(words: list[str]) -> bool:
    """Tell a unit from words that are an answer's meaning, like `or`, `and`, `x`."""
    forbidden = {
        "or",
        "and",
        "to",
        "pi",
        "sqrt",
        "i",
        "e",
        "x",
        "y",
        "z",
        "n",
        "half",
        "mod",
        "base",
    }
    return not forbidden.intersection(words) and all(len(word) <= 20 for word in words)


def _read_value(text: str) -> Fraction | None:
    if _SCIENTIFIC.fullmatch(text):
        return Fraction(text)
    if _PLAIN.fullmatch(text):
        return Fraction(text.replace(",", "").replace(" ", "").rstrip("."))
    if match := _MIXED.fullmatch(text):
        return _read_mixed(*match.group(1, 2), *filter(None, match.groups()[2:]))
    if match := _RATIO.fullmatch(text):
        sign, top, bottom = match.groups()
    elif match := _FRAC.fullmatch(text):
        sign, wide_top, top, wide_bottom, bottom = match.groups()
        top, bottom = wide_top or top, wide_bottom or bottom
    else:
        return None
    if int(bottom) == 0:
        return None
    value = Fraction(int(top), int(bottom))
    return -value if sign == "-" else value


def _read_mixed(sign: str, whole: str, top: str, bottom: str) -> Fraction | None:
    """Return 7/2 for `3 1/2`; `3 5/2` is no mixed number, and may be two numbers."""
    if not 0 < int(top) < int(bottom):
        return None
    value = int(whole) + Fraction(int(top), int(bottom))
    return -value if sign == "-" else value
