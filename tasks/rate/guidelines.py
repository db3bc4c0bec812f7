"""Guidelines: what teachers are told in private, looked for in what they wrote.

response_id  source      reason              detail
c2aa…        guidelines  guidelines_leaked   repeats what its teacher was told: refuse what would …
d01b…        guidelines  null                null

A response is scanned by the gate's own rules (sql/rules/), so that what would close the gate is set
aside before: the text itself, in any case and punctuation, and talk of guidelines one was given.
"""

import re
from collections.abc import Sequence

import polars as pl

from expectations.rules import RULES, read_rule
from tasks.identity import content_id
from tasks.recipe import Recipe
from tasks.store import Store

SOURCE = "guidelines"
LEAKED = "guidelines_leaked"
_WINDOW, _STEP = 8, 4  # words; whoever repeats eleven words in a row repeats a whole window
_RULES = ("pair_repeated_guidelines", "pair_leaked_guideline")


def split_passages(texts: Sequence[str]) -> list[str]:
    """Return what a text that repeats the guidelines holds, in its words alone, spaces around.

    A text with fewer words than a passage has none: "be kind" is said by whoever was not told.

    >>> split_passages(["Refuse what would hurt others; help with the rest, and say why."])
    [' others help with the rest and say why ', ' refuse what would hurt others help with the ']
    """
    passages = set()
    for words in map(_words_of, texts):
        starts = range(0, len(words) - _WINDOW + 1, _STEP)
        passages |= {" ".join(words[start : start + _WINDOW]) for start in starts}
        if starts:
            passages.add(" ".join(words[-_WINDOW:]))
    return sorted(f" {passage} " for passage in passages)


def scan_version(recipe: Recipe) -> str | None:
    """Name what a scan looks for and by which rules; None without guidelines."""
    texts = recipe.guidelines()
    looked_for = [text for text in texts if len(_words_of(text)) >= _WINDOW]
    return content_id(SOURCE, looked_for, _read_statements())[:12] if texts else None


def scan_responses(store: Store, recipe: Recipe, run_id: str) -> int:
    """Object to what gives guidelines away; return how many objections are new. Asks nobody."""
    version = scan_version(recipe)
    if version is None:
        return 0
    statement = (RULES / "scanned_responses.sql").read_text(encoding="utf-8")
    for place, rule in zip(("{repeated}", "{told}"), _read_statements(), strict=True):
        statement = statement.replace(place, f"({rule})")
    passages = split_passages(recipe.guidelines())
    for name, value in (("told_in_private", passages), ("guidelines", [])):
        store.cursor().execute(f"set variable {name} = $value", {"value": value})
    asked = {"writer": recipe.writer, "version": version}
    found = store.sql(statement, asked)
    detail = pl.coalesce("repeated", "told")
    scanned = found.select(
        "prompt_id",
        "response_id",
        source=pl.lit(SOURCE),
        version=pl.lit(version),
        reason=pl.when(detail.is_not_null()).then(pl.lit(LEAKED)),
        detail=detail,
    )
    return store.append("objections", scanned, run_id=run_id)


def _words_of(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower())


def _read_statements() -> list[str]:
    return [read_rule(RULES / f"{name}.sql").statement for name in _RULES]
