"""Contamination: prompts and responses that hold a benchmark's item, with the evidence.

    prompt_id  response_id  item_id  benchmark   method   score  span
    5d20…      null         a11f…    gsm8k-test  13-gram  31.0   janet s ducks lay 16 eggs per day …

Evidence stays for ever. What it leads to is said by `guards`: the benchmarks that the recipe
declares now and the score from which each method sets a text aside. A text is compared once for
each set of items and settings, and again where another set has changed the evidence on it since;
new texts and new benchmarks are compared with all that is there.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, Literal

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.events import announce
from tasks.progress import Tracker, track
from tasks.recipe import ContaminationSettings, Recipe
from tasks.select.chunks import gather, map_chunks
from tasks.select.grams import RULES
from tasks.select.screen import (
    Screen,
    bound_scores,
    build_screen,
    name_screen,
    screen_texts,
)
from tasks.store import Store, open_store

ROWS_AT_A_TIME = 20_000
TEXTS_PER_COMMIT = 100_000  # a commit takes as long as 20,000 texts' 13-grams
_GUARD = {"benchmark": pl.String, "method": pl.String, "drops_from": pl.Float64}


def find_contamination(
    store: Store, settings: ContaminationSettings, benchmarks: Sequence[str], run_id: str
) -> int:
    """Compare prompts with the items of these benchmarks; return how many rows are new evidence.

    Records first what counts from now on, so that a benchmark that is declared no more taints
    nothing any more.
    """
    return _find(store, settings, benchmarks, run_id, of="prompts")


def find_in_responses(
    store: Store, settings: ContaminationSettings, benchmarks: Sequence[str], run_id: str
) -> int:
    """Compare the teachers' responses, reasoning included, with the items; n-grams only."""
    return _find(store, settings, benchmarks, run_id, of="responses")


class Quotations:
    """The benchmarks' items, to be looked for in responses that come batch by batch."""

    def __init__(
        self, store: Store, settings: ContaminationSettings, benchmarks: Sequence[str], run_id: str
    ) -> None:
        _declare_guards(store, settings, benchmarks, run_id)
        self._store, self._settings, self._run_id = store, settings, run_id
        self._items = store.query("select_benchmark_texts", benchmarks=list(benchmarks))
        name = name_screen(settings, self._items) if self._items.height else ""
        self.asked: dict[str, Any] = {
            "screen": name,
            "benchmarks": list(benchmarks),
        }  # of `compared_texts`
        self.new = 0  # rows of evidence

    def find(self, rows: pl.DataFrame) -> pl.Series:
        """Record what responses not compared yet hold; return the ids of those with evidence.

        `rows` are those of sql/queries/select_unscreened_responses.sql.
        """
        if self._items.is_empty() or rows.is_empty():
            return pl.Series("text_id", [], dtype=pl.String)
        evidence = screen_texts(self._screen, rows, quoting_only=True)
        self.new += _record_compared(
            self._store, self.asked["screen"], (rows, evidence), self._past, self._run_id
        )
        return evidence["text_id"].unique()

    @cached_property
    def _screen(self) -> Screen:
        """The index of the n-grams; it takes seconds, and on a night without news nobody asks."""
        of_grams = {rule.method for rule in RULES}
        wanted = {
            name: [method for method in getattr(self._settings, name) if method in of_grams]
            for name in ("drop", "report")
        }
        return build_screen(self._items, self._settings.model_copy(update=wanted))

    @cached_property
    def _past(self) -> pl.DataFrame:
        return self._store.query("select_past_hits", **self.asked)


@task(task_run_name="find-contamination", cache_policy=NO_CACHE)
def mark_contamination(recipe: Recipe, run_id: str) -> int:
    """Mark every prompt that holds an item of a benchmark."""
    return _mark(find_contamination, recipe, run_id)


@task(task_run_name="find-contaminated-responses", cache_policy=NO_CACHE)
def mark_contaminated_responses(recipe: Recipe, run_id: str) -> int:
    """Mark every teacher's response that quotes an item of a benchmark."""
    return _mark(find_in_responses, recipe, run_id)


def _mark(
    find: Callable[[Store, ContaminationSettings, Sequence[str], str], int],
    recipe: Recipe,
    run_id: str,
) -> int:
    """Look, then announce what was found and counts now, and the releases that it taints."""
    names = [benchmark.name for benchmark in recipe.benchmarks]
    store = open_store(recipe.store)
    tainted = store.recall("tainted_by_release")
    new = find(store, recipe.select.contamination, names, run_id)
    tell_of_findings(store, recipe, run_id, tainted, new)
    return new


def tell_of_findings(
    store: Store, recipe: Recipe, run_id: str, tainted: pl.DataFrame, new: int
) -> None:
    """Announce what the run has found, if anything is new, and the releases it taints since."""
    if new:
        found = store.query("contamination_found", run_id=run_id).row(0, named=True)
        if found["prompts"] or found["responses"]:
            announce(recipe, "contamination.found", run_id, **found)
    for release in find_newly_tainted(store, tainted).iter_rows(named=True):
        announce(recipe, "release.tainted", run_id, **release)


def find_newly_tainted(store: Store, before: pl.DataFrame) -> pl.DataFrame:
    """Return release_id, version and pairs of the releases of which more is tainted than before."""
    now = store.recall("tainted_by_release")
    known = before.select("release_id", pl.col("pairs").alias("known"))
    return now.join(known, on="release_id", how="left", maintain_order="left").filter(
        pl.col("pairs") > pl.col("known").fill_null(0)
    )[["release_id", "version", "pairs"]]


def _find(
    store: Store,
    settings: ContaminationSettings,
    benchmarks: Sequence[str],
    run_id: str,
    *,
    of: Literal["prompts", "responses"],
) -> int:
    _declare_guards(store, settings, benchmarks, run_id)
    items = store.query("select_benchmark_texts", benchmarks=list(benchmarks))
    if items.is_empty():
        return 0
    name = name_screen(settings, items)
    asked = {"screen": name, "benchmarks": list(benchmarks)}
    pending = store.query(f"select_unscreened_{of}_count", **asked)
    if not pending["texts"][0]:
        return 0
    screen = build_screen(items, settings)

    def compare(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        evidence = screen_texts(screen, rows, quoting_only=of == "responses")
        return rows.select("text_id", "prompt_id", "response_id"), evidence

    past = store.query("select_past_hits", **asked)
    new = 0
    with track(f"contamination of {of}", total=int(pending["texts"][0])) as tracker:
        texts = store.stream(f"select_unscreened_{of}", ROWS_AT_A_TIME, **asked)
        compared = _count(map_chunks(compare, texts), tracker)
        for parts in gather(compared, TEXTS_PER_COMMIT, lambda part: part[0].height):
            rows, evidence = (pl.concat(frames) for frames in zip(*parts, strict=True))
            new += _record_compared(store, name, (rows, evidence), past, run_id)
    return new


def _record_compared(
    store: Store,
    screen: str,
    compared: tuple[pl.DataFrame, pl.DataFrame],
    past: pl.DataFrame,
    run_id: str,
) -> int:
    """Add the evidence on texts, then that they were compared; return how much of it is new."""
    rows, evidence = compared
    new = _record(store, _describe(rows, evidence, past), past, run_id)
    screened = rows.select("text_id", pl.lit(screen).alias("screen"))
    store.append("screened", screened, run_id=run_id, known_new=True)
    return new


def _count(
    compared: Iterator[tuple[pl.DataFrame, pl.DataFrame]], tracker: Tracker
) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    for rows, evidence in compared:
        tracker.advance(rows.height)
        yield rows, evidence


def _record(store: Store, said: pl.DataFrame, past: pl.DataFrame, run_id: str) -> int:
    """Add the evidence that is new. A text on which there is none yet needs no look at the rest."""
    text = pl.coalesce("response_id", "prompt_id")
    known = said.select(text.is_in(past["text_id"].implode()).alias("known"))["known"]
    added = store.append("contamination", said.filter(~known), run_id=run_id, known_new=True)
    if known.any():
        added += store.append("contamination", said.filter(known), run_id=run_id)
    return added


def _describe(rows: pl.DataFrame, evidence: pl.DataFrame, past: pl.DataFrame) -> pl.DataFrame:
    """Return rows of `contamination`; a past hit that was not found again gets a score of 0."""
    lost = (
        past.join(rows.select("text_id"), on="text_id", how="semi")
        .join(evidence, on=["text_id", "item_id", "method"], how="anti")
        .with_columns(pl.lit(0.0).alias("score"), pl.lit(None, dtype=pl.String).alias("span"))
    )
    said = pl.concat([evidence, lost.select(evidence.columns)])
    identities = rows.select("text_id", "prompt_id", "response_id")
    return said.join(identities, on="text_id", maintain_order="left").drop("text_id")


def _declare_guards(
    store: Store, settings: ContaminationSettings, benchmarks: Sequence[str], run_id: str
) -> None:
    """Say what counts from now on; what counted and is declared no more is only recorded."""
    bounds = bound_scores(settings)
    drops = {method: bounds[method] if method in settings.drop else None for method in bounds}
    declared = pl.DataFrame(
        [
            {"benchmark": benchmark, "method": method, "drops_from": bound}
            for benchmark in benchmarks
            for method, bound in drops.items()
        ],
        schema=_GUARD,
    )
    known = store.query("select_guards")
    undeclared = known.join(declared, on=["benchmark", "method"], how="anti").with_columns(
        pl.lit(None, dtype=pl.Float64).alias("drops_from")
    )
    said = pl.concat([declared, undeclared])
    changed = said.join(known, on=list(_GUARD), how="anti", nulls_equal=True)
    store.append("guards", changed, run_id=run_id)
