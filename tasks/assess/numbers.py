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
from tasks.assess.wording import qualifies

MOST_POWER_BITS = 4_096  # Of a power such as 2^{60} or 10^{-34}; a larger one is not worked out.
SCALES = {
    "dozen": 12,
    "hundred": 100,
    "thousand": 1_000,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
}
_ORDINALS = ("third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
PARTS = {f"{name}s": below for below, name in enumerate(_ORDINALS, 3)} | {
    **{"halves": 2, "hundredths": 100, "thousandths": 1_000, "millionths": 10**6},
    "billionths": 10**9,
}
# Only of `1 tenth`: `5 tenth graders` are no half.
_ONE_PART = {name.removesuffix("s"): below for name, below in PARTS.items() if below > 2}
_CURRENCIES = {
    **dict.fromkeys(("dollar", "dollars", "usd"), "$"),
    **dict.fromkeys(("euro", "euros", "eur"), "€"),
    **dict.fromkeys(("cent", "cents"), "¢"),
}
_CURRENCY = re.compile(
    r"[-+]?\s*(?:US)?(?P<sign>\\\$|\$(?!.*\$)|[€£¥]|\\(?:euro|pounds)(?![A-Za-z]))"
)
_DROPPED = re.compile(r"\\(?:left|right|displaystyle|,|!|;|:| )|~")
_THIN_SPACES = re.compile(r"(?:\\[,;: ]|~)+")
_SPACED_DIGITS = re.compile(r"\d[\d.]*(?:(?:\\[,;: ]|~)+\d[\d.]*)+")
_DECIMAL = r"(?:[1-9]\d{0,2}(?:,\d{3})+|[1-9]\d{0,2}(?: \d{3})+|\d+)(?:\.\d*)?|\.\d+"
_PLAIN = re.compile(rf"(?P<sign>[-+]?)\s*(?:{_DECIMAL})")
_SCIENTIFIC = re.compile(r"[-+]?\d+(?:\.\d+)?[eE][-+]?\d{1,3}")
_EXPONENT = r"\s*(?:\^|\*\*)\s*(?:\{\s*([-+]?\d{1,4})\s*\}|\(\s*([-+]?\d{1,4})\s*\)|([-+]?\d{1,4}))"
_TEN = re.compile(
    r"([-+]?)\s*(?:(\d{1,20}(?:\.\d{0,20})?|\.\d{1,20})\s*(?:\\times|\\cdot|[×·⋅*xX])\s*)?10"
    + _EXPONENT
)
_POWERED = re.compile(r"([-+]?)\s*(\d{1,15})" + _EXPONENT)
_AND_A_HALF = re.compile(r"(\d+) and (?:a|one) half\b")
_COMMA_DECIMAL = re.compile(r"([-+]?\d+),(\d+)")
_RATIO = re.compile(r"([-+]?)\s*(\d+)\s*/\s*(\d+)")
_FRAC = re.compile(r"([-+]?)\s*\\frac\s*(?:\{\s*(-?\d+)\s*\}|(\d))\s*(?:\{\s*(\d+)\s*\}|(\d))")
_MIXED = re.compile(
    r"([-+]?)\s*(\d+)(?:\s+([1-9]\d?)\s*/\s*(\d+)|\s*\\frac\s*(?:\{\s*(\d+)\s*\}|(\d))\s*"
    r"(?:\{\s*(\d+)\s*\}|(\d)))"
)
_UNIT = re.compile(
    r"(?P<number>.*?[\d.}])\s*(?P<unit>[A-Za-z°µ][A-Za-z°µ/.²³]*(?:\s+[A-Za-z]+){0,3})\s*"
    r"(?:\^\s*(?:\{\s*(?P<wide>[23])\s*\}|(?P<power>[23])))?\s*"
)
_DEGREES = re.compile(r"\^?\s*(?:\{\s*\\(?:circ|degree)\s*\}|\\(?:circ|degree))\s*$")


@dataclass(frozen=True, slots=True)
class Number:
    """An exact value and how it was written."""

    value: Fraction
    percent: bool = False
    decimal: bool = False
    unit: str = ""
    currency: str = ""


@lru_cache(maxsize=262_144)
def read_number(text: str) -> Number | None:
    """Return the number that a text plainly is, scaled by words such as `million`, else None."""
    if not text or len(text) > 80:
        return None
    plain = _AND_A_HALF.sub(r"\1 1/2", normalise_latex(text.replace("¢", " cents")))
    percent = False
    for sign in ("\\%", "%", " percent", " percentage", " pct"):
        if plain.endswith(sign):
            percent, plain = True, plain[: -len(sign)].rstrip()
            break
    value = _read_value(plain)
    currency = _read_currency(text)
    if value is not None:
        decimal = "." in plain or _SCIENTIFIC.fullmatch(plain) is not None
        return Number(value, percent, decimal=decimal, currency=currency)
    if percent or (match := _UNIT.fullmatch(_DEGREES.sub("", plain))) is None:
        value = _read_value(_DEGREES.sub("", plain))
        return None if percent or value is None else Number(value, decimal="." in plain)
    value = _read_value(match["number"].strip())
    if value is None or len(match["unit"]) == 1 or qualifies(plain):
        return None
    return _read_words(value, match, currency)


def _read_words(value: Fraction, match: re.Match[str], currency: str) -> Number | None:
    """Return the number that the words behind it make of it, and its unit, else None."""
    words = match["unit"].lower().split()
    if words[-2:] == ["below", "zero"] and value > 0:
        value, words = -value, words[:-2]
    if words in (["squared"], ["cubed"]):
        value, words = value ** (2 if words == ["squared"] else 3), []
    elif words and (below := PARTS.get(words[0]) or (_ONE_PART.get(words[0]) if value == 1 else 0)):
        value, words = value / below, words[1:]
    if not _is_unit(words):
        return None
    for word in words:
        value *= SCALES.get(word, 1)
    left = [word for word in words if word not in SCALES]
    power = match["wide"] or match["power"]
    unit = " ".join(left) + (f"^{power}" if power else "")
    named = next((_CURRENCIES[word] for word in left if word in _CURRENCIES), currency)
    return Number(value, decimal="." in match["number"], unit=unit, currency=named)


def _read_currency(text: str) -> str:
    """Return the currency whose sign stands in front; `$5$` is mathematics and not money."""
    plain = text.strip()
    if len(plain) > 1 and plain[0] == plain[-1] == "$":
        plain = plain[1:-1].strip()
    match = _CURRENCY.match(plain)
    return {"\\pounds": "£", "\\euro": "€"}.get(match["sign"], match["sign"][-1]) if match else ""


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
    plain = _DROPPED.sub("", close_thin_spaces(strip_wrappers(plain))).strip()
    plain = plain.lstrip("€£¥$").strip()
    return re.sub(r"\s+", " ", re.sub(r"(?<=[^.])\.$", "", plain)).strip()


def close_thin_spaces(text: str) -> str:
    r"""Take thin spaces out of numbers in groups of three: `4\,5` are two numbers, `4\,500` is one.

    Behind a decimal point, as in `6.626\,070\,15`, the last group may be shorter.
    """
    return _SPACED_DIGITS.sub(_close_thin_spaces, text)


def _close_thin_spaces(match: re.Match[str]) -> str:
    first, *rest = _THIN_SPACES.split(match[0])
    wholes = [group.partition(".")[0] for group in rest]
    grouped = all(len(whole) == 3 for whole in (wholes[:-1] if "." in first else wholes))
    return ("" if grouped else " ").join((first, *rest))


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
    if "^" in text or "**" in text:
        return _read_power(text)
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


def _read_power(text: str) -> Fraction | None:
    r"""Read `6.02\times10^{23}`, `10^{-7}` and `2^{60}` exactly, and nothing too large for that."""
    if match := _TEN.fullmatch(text):
        sign, factor, base = match[1], match[2] or "1", 10
    elif match := _POWERED.fullmatch(text):
        sign, factor, base = match[1], "1", int(match[2])
    else:
        return None
    exponent = int(next(filter(None, match.groups()[2:])))
    if base.bit_length() * abs(exponent) > MOST_POWER_BITS or (base == 0 and exponent <= 0):
        return None
    value = Fraction(factor) * Fraction(base) ** exponent
    return -value if sign == "-" else value


def _read_mixed(sign: str, whole: str, top: str, bottom: str) -> Fraction | None:
    """Return 7/2 for `3 1/2`; `3 5/2` is no mixed number, and may be two numbers."""
    if not 0 < int(top) < int(bottom):
        return None
    value = int(whole) + Fraction(int(top), int(bottom))
    return -value if sign == "-" else value
