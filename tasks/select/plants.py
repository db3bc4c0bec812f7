"""Plants: items of a benchmark made to look otherwise, to see which method still finds them.

    item_id  disguise     text
    a11f…    verbatim     Janet’s ducks lay 16 eggs per day. …
    a11f…    renumbered   Janet’s ducks lay 23 eggs per day. …
    a11f…    embedded     Here is a problem from my notes. … Janet’s ducks lay 16 eggs …

Rewording by rule is a floor, not a measure of what a model can do: other words for common ones,
other connectives, the question first. docs/overlap.md has figures on paraphrases of a model.
"""

import random
import re
from collections.abc import Callable

import polars as pl

_SYNONYMS = {
    **{"buys": "purchases", "bought": "purchased", "buy": "purchase", "makes": "produces"},
    **{"make": "produce", "made": "produced", "gets": "receives", "get": "receive"},
    **{
        "gives": "hands over",
        "gave": "handed over",
        "total": "overall amount",
        "find": "determine",
    },
    **{"compute": "work out", "calculate": "work out", "evaluate": "work out", "each": "every"},
    **{"per": "every", "large": "big", "small": "little", "begin": "start", "begins": "starts"},
    **{"sells": "trades away", "sold": "traded away", "needs": "requires", "need": "require"},
    **{"children": "kids", "people": "persons", "money": "cash", "remaining": "left over"},
    **{"costs": "is priced at", "cost": "price", "integer": "whole number", "day": "24 hours"},
    **{
        "integers": "whole numbers",
        "then": "afterwards",
        "also": "in addition",
        "if": "given that",
    },
    **{"after": "following", "before": "prior to", "show": "demonstrate", "more": "additional"},
    **{"return": "give back", "list": "sequence", "given": "supplied", "function": "routine"},
    **{"string": "text", "number": "figure", "numbers": "figures", "value": "result"},
}
_WORD = re.compile(r"[A-Za-z]+")
_NUMBER = re.compile(r"\d+")
_QUESTION = re.compile(r"(?<=[.!?])\s+(?=[^.!?]*\?\s*$)")
_BEFORE = (
    "The following came up in a study group last week and nobody was sure how to set it up. "
    "Please read it with care before you begin, and say which facts you used."
)
_AFTER = (
    "Write down every step, keep the units in view, and state the result on a line of its own. "
    "If something seems to be missing, say what it is."
)


def disguise_items(items: pl.DataFrame, seed: int = 0) -> pl.DataFrame:
    """Return item_id, benchmark, disguise, text and choices: every item in every disguise.

    A disguise that leaves an item as it is (no number in it, say) is left out for that item.
    """
    rows = []
    for row in items.select("item_id", "benchmark", "text", "choices").iter_rows(named=True):
        for name, disguise in DISGUISES.items():
            text = disguise(row["text"], random.Random(f"{seed}:{name}:{row['item_id']}"))
            if name == "verbatim" or text != row["text"]:
                rows.append({**row, "disguise": name, "text": text})
    return pl.DataFrame(rows, schema=_PLANTED)


def keep_verbatim(text: str, draw: random.Random) -> str:
    """Return the text as it is."""
    return text


def reword(text: str, draw: random.Random) -> str:
    """Put other words for common ones and ask the question first."""

    def replace(match: re.Match[str]) -> str:
        word = match.group()
        other = _SYNONYMS.get(word.lower(), word)
        return other.capitalize() if word[0].isupper() and other != word else other

    parts = _QUESTION.split(_WORD.sub(replace, text.strip()))
    if len(parts) == 2:
        return f"{parts[1]} Here is what we know: {parts[0]}"
    return " ".join(parts)


def renumber(text: str, draw: random.Random) -> str:
    """Put another number of about the same size for every number."""

    def replace(match: re.Match[str]) -> str:
        value = int(match.group())
        return str(value + draw.randint(1, max(3, value // 3)))

    return _NUMBER.sub(replace, text)


def reformat(text: str, draw: random.Random) -> str:
    """Change case, marks, line breaks and mathematical delimiters, but no word."""
    plain = text.replace("$", "").replace("\\(", "").replace("\\)", "").replace("**", "")
    sentences = re.split(r"(?<=[.!?])\s+", plain.strip())
    return "\n".join(f"- {sentence.rstrip('.')};" for sentence in sentences).upper()


def embed(text: str, draw: random.Random) -> str:
    """Put the text in the middle of a longer one."""
    return f"{_BEFORE}\n\n{text.strip()}\n\n{_AFTER}"


DISGUISES: dict[str, Callable[[str, random.Random], str]] = {
    "verbatim": keep_verbatim,
    "reformatted": reformat,
    "embedded": embed,
    "reworded": reword,
    "renumbered": renumber,
}
_PLANTED: dict[str, pl.DataType] = {
    "item_id": pl.String(),
    "benchmark": pl.String(),
    "disguise": pl.String(),
    "text": pl.String(),
    "choices": pl.List(pl.String()),
}
