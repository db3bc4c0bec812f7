r"""Short answers as values: read, written, and found in a statement that should not have them.

>>> read_number(r"$\frac{3}{4}$"), show_number(Fraction(7, 3)), show_number(Fraction(51, 2))
(Fraction(3, 4), '7/3', '25.5')
>>> count_mentions("Three of 4 pens, 3/4 of all, are sold.", "3/4")
1
"""

import re
from collections.abc import Iterator
from fractions import Fraction

from tasks.identity import normalise
from tasks.number_words import COMPOUNDS, SCALES, TENS, UNMISTAKABLE

MAX_CHARACTERS = 200  # of a number
MOST_DECIMALS = 6
FORMULA = re.compile(r"\$[^$]+\$|\\\[.+?\\\]|\\\(.+?\\\)", re.DOTALL)
_LATEX_FRACTION = re.compile(r"(-?)\s*\\[dt]?frac\s*\{\s*(-?[0-9]+)\s*\}\s*\{\s*([0-9]+)\s*\}")
_PLAIN = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:/[0-9]+)?")
_COMMA = re.compile(r"(?<=[0-9]),(?=[0-9]{3}(?![0-9]))")
# Unlike program.NUMBER this takes "81cm" and "81st" for 81: a leak may have a unit glued to it.
_SAID = re.compile(
    r"(?:(?<![\w.)\]}])[-−])?(?<![\w.])[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?(?:\s?/\s?[0-9]+)?"
)
# The longer ones first: "forty" is the beginning of "forty-two".
_WORDS = {**COMPOUNDS, **UNMISTAKABLE, **TENS, "dozen": SCALES["dozen"]}
_WORD = re.compile(r"\b(?:" + "|".join(_WORDS) + r")\b", re.IGNORECASE)


def read_number(text: str) -> Fraction | None:
    r"""Read `3,600`, `-0.5`, `5/12`, `$12$`, `\frac{3}{4}`; None for anything else, as `12 kg`."""
    plain = text.strip().removesuffix(".").replace("\\$", "").strip("$ ").replace("−", "-")
    plain = _COMMA.sub("", _LATEX_FRACTION.sub(r"\1\2/\3", plain))
    if len(plain) > MAX_CHARACTERS or not _PLAIN.fullmatch(plain):
        return None
    above, _, below = plain.partition("/")
    if below and int(below) == 0:
        return None
    return Fraction(above) / int(below or 1)


def show_number(value: Fraction | int, like: str | None = None) -> str:
    """Write a number as people do: 12, 3.75, and 7/3 where decimals would not end.

    Where the answer it is `like` was written as a fraction, this is too.
    """
    exact = Fraction(value)
    fraction = f"{exact.numerator}/{exact.denominator}"
    if exact.denominator == 1:
        return str(exact.numerator)
    if like is not None and ("/" in like or "frac" in like):
        return fraction
    for places in range(1, MOST_DECIMALS + 1):
        scaled = exact * 10**places
        if scaled.denominator == 1:
            whole, rest = divmod(abs(scaled.numerator), 10**places)
            return f"{'-' if exact < 0 else ''}{whole}.{rest:0{places}d}"
    return fraction


def count_mentions(text: str, answer: str) -> int:
    """Count how often a text says an answer: numbers by value, in digits or words."""
    value = read_number(answer)
    if value is not None:
        return sum(said == value for said in numbers_said(text))
    literal = _loosen(answer)
    if not literal:
        return 0
    return len(re.findall(rf"(?<!\w){re.escape(literal)}(?!\w)", _loosen(text)))


def numbers_said(text: str) -> Iterator[Fraction]:
    """Yield the numbers that a text says, in digits first and then in words."""
    plain = _LATEX_FRACTION.sub(r" \1\2/\3 ", text)
    for match in _SAID.finditer(plain):
        said = re.sub(r"\s", "", match.group())
        whole = read_number(said)
        if whole is not None:
            yield whole
    for match in _WORD.finditer(plain):
        yield Fraction(_WORDS[match.group().lower()])


def _loosen(text: str) -> str:
    return normalise(text.replace("$", " ")).casefold().strip(" .")
