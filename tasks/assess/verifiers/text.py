"""Short exact text, after normalisation: `The  Nile.` is `nile`, and nothing else is.

Two texts that are plainly one date or one quantity are equal too: `4 July 1776` and `July 4, 1776`.
"""

import re
import unicodedata
from functools import lru_cache

from tasks.assess.extract import strip_wrappers
from tasks.assess.verifiers import Outcome, date, quantity

NAME = "text"
VERSION = 3
_ARTICLES = re.compile(r"\b(?:a|an|the)\b\s+")
_PUNCTUATION = re.compile(
    r"(?<!\d)[^\w\s+\-*/=<>^%$€£°#&@~|\\](?!\d)|(?<=\d)[.,;:!?'\")\]](?!\d)|_"
)
_DIGIT = re.compile(r"\d")
_SPACES = re.compile(r"\s+")


def check(key: str, answer: str) -> Outcome:
    """Compare normalised texts; a key that normalises to nothing can judge nobody."""
    if key == answer:
        return Outcome("correct", "identical")
    wanted = normalise_text(key)
    if not wanted:
        return Outcome("unverifiable", "key_is_empty")
    if wanted == normalise_text(answer):
        return Outcome("correct", "normalised")
    if _DIGIT.search(key) and _DIGIT.search(answer):
        for compare in (date.check, quantity.check):
            if (meant := compare(key, answer)).verdict == "correct":
                return meant
    return Outcome("wrong", "not_equal")


@lru_cache(maxsize=65_536)
def normalise_text(text: str) -> str:
    r"""Drop case, compatibility forms, articles, punctuation, \text{} and needless whitespace.

    Operators and punctuation inside numbers stay, since they can be the answer. An article that is
    the whole text stays too: options may be called `a`.
    """
    plain = unicodedata.normalize("NFKC", strip_wrappers(text)).casefold()
    plain = plain.replace("\u2212", "-").replace("\u2019", "'").replace("$", "")
    plain = _SPACES.sub(" ", _PUNCTUATION.sub(" ", plain)).strip()
    without_articles = _ARTICLES.sub("", plain)
    return without_articles.strip() or plain
