"""Settled: what a stage has done already for just the rows that are there.

    stage            tables                               snapshot  created_at
    find-duplicates  [duplicates, prompts, signatures]    702       2026-11-29 18:22:29+00

A dozen stages look at every prompt of the store to find out what is to be done. With 1.4 million
prompts that takes minutes, most nights for nothing. What a stage does follows from the rows that
it reads, the recipe and the code; where none of these has changed since it was through, nothing is
left to do. Which tables it reads is not declared anywhere, and so not forgotten: the store notes
what it is asked meanwhile, and a view stands for all that lies behind it. Tidying moves rows, which
counts as a change.

Stages that look at the world outside the store (files, servers, what is installed) are not settled.
"""

import hashlib
import logging
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from weakref import WeakKeyDictionary

import polars as pl

from tasks.identity import content_id
from tasks.recipe import Recipe
from tasks.store import Store

MANY_PROMPTS = 50_000  # Fewer are looked through sooner than their history is.
_ROOT = Path(__file__).resolve().parents[1]
_CODE = ("tasks/**/*.py", "expectations/**/*.py", "sql/**/*.sql")
# What we keep has their hashes, their arithmetic and their reading of formulas in it.
_LIBRARIES = ("duckdb", "math-verify", "polars")
_TOKEN = re.compile(r"--.*|'(?:[^']|'')*'|\w+")
_WORD = re.compile(r"\w+")
_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Settled:
    """What a stage came to when it was through, if it has to be said again."""

    outcome: str | None


def find_settled(store: Store, recipe: Recipe, stage: str) -> Settled | None:
    """Return what a stage came to if there is nothing left for it to do, else None."""
    if not _has_many(store):
        return None
    known = store.query("settled", stage=stage, settings=_identify(recipe))
    if known.is_empty():
        return None
    outcome, when = known.row(0)
    _LOGGER.info("%s: nothing that it reads has changed since %s", stage, when)
    return Settled(outcome)


@contextmanager
def settling(
    store: Store, recipe: Recipe, run_id: str, stage: str
) -> Iterator[Callable[[str | None], None]]:
    """Watch a stage at work; it calls what is yielded with its outcome when it is through.

    Nothing is remembered of a stage that does not, or that ends with an error.
    """
    if not _has_many(store):
        yield lambda outcome: None
        return
    through: list[str | None] = []
    with store.noting() as asked:
        yield through.append
        newest = int(store.query("lake_snapshot")["snapshot"][0])
    if through:
        row = {
            "stage": stage,
            "settings": _identify(recipe),
            "tables": list_tables(store, asked),
            "snapshot": newest,
            "outcome": through[0],
        }
        rows = pl.DataFrame([row], schema_overrides={"outcome": pl.String})
        store.append("settled", rows, run_id=run_id, known_new=True)


def unless_settled(
    store: Store,
    recipe: Recipe,
    run_id: str,
    stage: str,
    work: Callable[[], int],
    *,
    counts: bool = False,
) -> int:
    """Do a stage's work and return what it returns; 0 without doing it if nothing is left to do.

    Work that only `counts` what others are to do settles a stage if it counts nothing.
    """
    if find_settled(store, recipe, stage) is not None:
        return 0
    with settling(store, recipe, run_id, stage) as is_through:
        done = work()
        if not (counts and done):
            is_through(None)
    return done


def list_tables(store: Store, statements: Iterable[str]) -> list[str]:
    """Return the store's tables that these statements name, themselves or by a view or a macro.

    Every word counts as a name, so there may be one too many and never one too few.
    """
    tables, behind = _read_schema(store)
    waiting = {word for statement in statements for word in _words_of(statement)}
    seen: set[str] = set()
    while waiting:
        word = waiting.pop()
        seen.add(word)
        waiting |= _words_of(behind.get(word) or "") - seen
    return sorted(seen & tables)


def _has_many(store: Store) -> bool:
    return int(store.query("prompts_count")["rows"][0]) >= MANY_PROMPTS


def _read_schema(store: Store) -> tuple[set[str], dict[str, str]]:
    """Return the names of the tables, and views and macros with the SQL behind them."""
    if store not in _SCHEMAS:
        named = set(store.query("lake_tables")["name"])
        _SCHEMAS[store] = named, dict(store.query("lake_definitions").iter_rows())
    return _SCHEMAS[store]


def _words_of(statement: str) -> set[str]:
    """Return the words of a statement, but for comments and for texts of more than one word."""
    said = (
        token
        for token in _TOKEN.findall(statement.lower())
        if not token.startswith("--") and not (token.startswith("'") and " " in token)
    )
    return {word for token in said for word in _WORD.findall(token)}


def _identify(recipe: Recipe) -> str:
    """Name all that decides what a stage does to the rows it reads."""
    settings = recipe.model_dump(mode="json", exclude={"store", "budget"})
    return content_id("settled", _digest_code(), settings)


@cache
def _digest_code() -> str:
    digest = hashlib.sha256()
    for pattern in _CODE:
        for file in sorted(_ROOT.glob(pattern)):
            digest.update(f"{file.relative_to(_ROOT)}\0".encode())
            digest.update(file.read_bytes())
    for library in _LIBRARIES:
        digest.update(f"{library} {version(library)}".encode())
    return digest.hexdigest()


# It does not change while a store is open.
_SCHEMAS: WeakKeyDictionary[Store, tuple[set[str], dict[str, str]]] = WeakKeyDictionary()
