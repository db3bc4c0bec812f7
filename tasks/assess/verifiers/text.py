"""Short exact text, after normalisation: `The  Nile.` is `nile`, and nothing else is.

Two texts that are plainly one date or one quantity are equal too: `4 July 1776` and `July 4, 1776`.
A key that is a Python list, tuple, dictionary, set or text in single quotes, as a program prints
them, is compared as a value and as nothing else.
"""

import re
import unicodedata
from functools import lru_cache

from tasks.assess.extract import strip_wrappers
from tasks.assess.literals import same_literal
from tasks.assess.symbols import to_signs
from tasks.assess.verifiers import Outcome, date, quantity

NAME = "text"
VERSION = 5
_ARTICLES = re.compile(r"\b(?:a|an|the)\b\s+(?=\w\w)")
_ALIASES = str.maketrans(
    {"≤": "<=", "≥": ">=", "≠": "!=", "→": "->", "←": "<-", "⇒": "=>", "⋅": "·", "′": "'"}
)
_APOSTROPHES = re.compile("[\u2018\u2019\u201b\u02bc`\u00b4]")
_DASHES = re.compile("[\u2010-\u2015\u2212]")
# Between words of two letters and more a dash is typography, `a-b` is a difference.
_HYPHEN = re.compile(r"(?<=[^\W\d_]{2})\s*-\s*(?=[^\W\d_]{2})")
_QUOTES = re.compile('["\u201c-\u201f\u00ab\u00bb\u2039\u203a\u300c-\u300f\u300a\u300b]')
_QUOTED = re.compile(r"(?<![\w'])'([^']*)'(?![\w'])")
_POSSESSIVE = re.compile(r"(?<=[^\W\d_]{2}s)'(?=\s)")
# What is left of marks: between digits they are part of a number, before one of its end or nothing.
_MARKS = re.compile("(?<!\\d)[.,;:?\u00bf\u00a1\u3001\u3002\u060c\u061b\u061f](?!\\d)|"
                    "(?<=\\d)[.,;:?\u3001\u3002](?!\\d)")  # fmt: skip
_LISTED = re.compile(r"(?<=\d)\s*([,:])\s*(?=[-+]?\d)")
_EXCLAIMED = re.compile(r"(?<=[^\W\d_]{2})!+(?!\w|=)")
_LOW_NUMBER = re.compile(r"(?<=[^\W_])_(?=\d)")
_EMPHASIS = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
_GROUPED = re.compile(r"([\^_])\{([^{}]{1,8})\}")
_WHOLE = re.compile(r"\(([^()]*)\)")
_BRACKETS = re.compile(r"[()\[\]{}⟨⟩]")
_ROUND = re.compile(r"\((?![\d)])|\)")
_DIGIT = re.compile(r"\d")
_SPACES = re.compile(r"\s+")
_NEEDLESS = re.compile(r"(?<!\w)\s+|\s+(?!\w)")


def check(key: str, answer: str) -> Outcome:
    """Compare normalised texts; a key that normalises to nothing can judge nobody."""
    if key == answer:
        return Outcome("correct", "identical")
    if (same := same_literal(key, answer)) is not None:
        return Outcome("correct", "same_value") if same else Outcome("wrong", "other_value")
    if not normalise_text(key):
        return Outcome("unverifiable", "key_is_empty")
    if is_same_text(key, answer):
        return Outcome("correct", "normalised")
    if _DIGIT.search(key) and _DIGIT.search(answer):
        for compare in (date.check, quantity.check):
            if (meant := compare(key, answer)).verdict == "correct":
                return meant
    return Outcome("wrong", "not_equal")


def is_same_text(left: str, right: str) -> bool:
    """Tell whether two texts are the same words and signs.

    Brackets count where both have some; round ones that only one side has are typography.
    """
    one, other = normalise_text(left), normalise_text(right)
    if one == other or not _BRACKETS.search(one + other):
        return one == other
    if _BRACKETS.search(one) and _BRACKETS.search(other):
        return False
    return _drop_round(one) == _drop_round(other)


@lru_cache(maxsize=65_536)
def normalise_text(text: str) -> str:
    r"""Drop case, compatibility forms, articles, typography, \text{} and needless whitespace.

    Typography is quotes, full stops and their like, dashes between words and emphasis. All signs
    stay (≤, ∪, ¬, ±, ×, !, ', brackets), and so does punctuation inside numbers, since they can be
    the answer. An article that is the whole text stays too: options may be called `a`.
    """
    plain = to_signs(strip_wrappers(text)).translate(_ALIASES)
    plain = unicodedata.normalize("NFKC", plain).casefold()
    plain = _DASHES.sub("-", _APOSTROPHES.sub("'", plain)).replace("$", "")
    plain = _QUOTES.sub(" ", _POSSESSIVE.sub("", _QUOTED.sub(r" \1 ", plain)))
    plain = _EMPHASIS.sub(" ", _LOW_NUMBER.sub("", _GROUPED.sub(r"\1\2", plain)))
    if (whole := _WHOLE.fullmatch(plain.strip())) and "," not in whole[1]:
        plain = whole[1]
    plain = _MARKS.sub(" ", _EXCLAIMED.sub(" ", _LISTED.sub(r"\1", plain)))
    plain = _SPACES.sub(" ", _HYPHEN.sub(" ", plain)).strip()
    without_articles = _ARTICLES.sub("", plain)
    return _NEEDLESS.sub("", without_articles.strip() or plain)


def _drop_round(plain: str) -> str:
    spaced = _SPACES.sub(" ", _ROUND.sub(" ", plain)).strip()
    return _NEEDLESS.sub("", spaced)
