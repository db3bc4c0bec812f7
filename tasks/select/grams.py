"""Grams: texts that share runs of words with a benchmark's item, by four published rules.

    text  item  score  start  length
    0     7     6.0    2      6        six shared 13-grams, the longest stretch from word 2 on

| method  | run              | score                                  | source                |
|---------|------------------|----------------------------------------|-----------------------|
| 13-gram | 13 words         | shared runs; one is enough             | Phi-4, 2412.08905 B.1 |
| 7-gram  | 7 words          | shared / the fewer of the two          | Phi-4, 2412.08905 B.1 |
| tulu    | 8 words          | share of the item's words so covered   | Tülu 3, 2411.15124    |
| s1      | 8 between spaces | shared runs; one is enough             | s1, 2501.19393        |
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.select.words import SPACED, WORD, Hashes, Runs, Words, as_array, hash_runs

SIEVE_BITS = 24
MATCHES_AT_A_TIME = 4_000_000  # rows of a join; boiler-plate of a benchmark can meet everything
_PAIR = ["text", "item"]


@dataclass(frozen=True, slots=True)
class GramRule:
    """How long its runs are, what counts as a word, and what a score is."""

    method: str
    size: int
    pattern: str
    measure: Literal["count", "ratio", "coverage"]


RULES = (
    GramRule("13-gram", 13, WORD, "count"),
    GramRule("7-gram", 7, WORD, "ratio"),
    GramRule("tulu", 8, WORD, "coverage"),
    GramRule("s1", 8, SPACED, "count"),
)


@dataclass(frozen=True, slots=True)
class GramIndex:
    """The runs of all items, and what is needed to pass by nearly all others quickly."""

    rule: GramRule
    grams: pl.DataFrame  # gram, item, item_place
    holders: pl.DataFrame  # gram, matches: rows of `grams` that have it
    items: pl.DataFrame  # item, item_grams (different ones), item_words
    sieve: NDArray[np.bool_]


def index_items(
    rule: GramRule, words: Words, allowed: Hashes, common: Hashes | None = None
) -> GramIndex:
    """Index the items' runs but for those that anybody may have."""
    runs = hash_runs(words, rule.size)
    free = np.isin(runs.hashes, allowed if common is None else np.concatenate([allowed, common]))
    grams = pl.DataFrame(
        {
            "gram": runs.hashes[~free],
            "item": runs.owners[~free],
            "item_place": runs.places[~free],
        }
    )
    if rule.measure != "coverage":
        grams = grams.unique(["gram", "item"], keep="first", maintain_order=True)
    counts = grams.group_by("item").agg(pl.col("gram").n_unique().alias("item_grams"))
    lengths = pl.DataFrame({"item": np.arange(len(words.lengths)), "item_words": words.lengths})
    sieve = np.zeros(2**SIEVE_BITS, np.bool_)
    sieve[_sift(as_array(grams["gram"]))] = True
    return GramIndex(
        rule,
        grams,
        grams.group_by("gram").agg(pl.len().cast(pl.Int64).alias("matches")),
        lengths.join(counts, on="item", how="left").with_columns(pl.col("item_grams").fill_null(0)),
        sieve,
    )


def find_common(words: Words, benchmarks: pl.Series, size: int, more_than: int) -> Hashes:
    """Return the runs that more items than this of one benchmark have: its boiler-plate."""
    runs = hash_runs(words, size)
    held = pl.DataFrame({"gram": runs.hashes, "item": runs.owners}).unique()
    by_benchmark = held.with_columns(benchmarks.gather(held["item"]).alias("benchmark"))
    counts = by_benchmark.group_by("gram", "benchmark").agg(pl.len().alias("items"))
    return as_array(counts.filter(pl.col("items") > more_than)["gram"].unique())


def match_grams(index: GramIndex, words: Words, more_than: float, most: int) -> pl.DataFrame:
    """Return text, item, score, start and length for every pair whose score is above a bound.

    Of a text's items the best `most` are returned.
    """
    runs = hash_runs(words, index.rule.size)
    sieved = np.flatnonzero(index.sieve[_sift(runs.hashes)])
    shared = pl.DataFrame(
        {"gram": runs.hashes[sieved], "text": runs.owners[sieved], "place": runs.places[sieved]}
    ).join(index.holders, on="gram")
    found = [_NO_MATCHES]
    for part in _split_joins(shared.sort("text", "place")):
        matches = part.drop("matches").join(index.grams, on="gram")
        scored = _score(index, matches, runs).filter(pl.col("score") > more_than)
        best = (
            scored.sort(["text", "score", "item"], descending=[False, True, False])
            .group_by("text", maintain_order=True)
            .head(most)
        )
        found.append(best.join(_find_stretches(matches.join(best, on=_PAIR, how="semi")), on=_PAIR))
    return pl.concat([each.select(_NO_MATCHES.columns) for each in found])


_NO_MATCHES = pl.DataFrame(
    schema={
        "text": pl.Int64,
        "item": pl.Int64,
        "score": pl.Float64,
        "start": pl.Int64,
        "length": pl.Int64,
    }
)


def _sift(hashes: Hashes) -> NDArray[np.int64]:
    return (hashes >> np.uint64(64 - SIEVE_BITS)).astype(np.int64)


def _split_joins(shared: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Yield the rows of some texts at a time, so that no join of them with the items is huge."""
    by_text = shared.group_by("text", maintain_order=True).agg(pl.col("matches").sum())
    part = by_text.select("text", (pl.col("matches").cum_sum() // MATCHES_AT_A_TIME).alias("part"))
    for _, texts in part.group_by("part", maintain_order=True):
        yield shared.join(texts, on="text", how="semi", maintain_order="left")


def _score(index: GramIndex, matches: pl.DataFrame, runs: Runs) -> pl.DataFrame:
    """Return text, item and score."""
    if index.rule.measure == "coverage":
        return _score_coverage(index, matches)
    counted = matches.group_by(_PAIR).agg(pl.col("gram").n_unique().cast(pl.Float64).alias("score"))
    if index.rule.measure == "count":
        return counted
    met = np.isin(runs.owners, as_array(counted["text"].unique()))
    own = pl.DataFrame({"text": runs.owners[met], "gram": runs.hashes[met]})
    sizes = own.group_by("text").agg(pl.col("gram").n_unique().alias("text_grams"))
    fewer = pl.min_horizontal("text_grams", "item_grams")
    return (
        counted.join(sizes, on="text")
        .join(index.items, on="item")
        .select(*_PAIR, pl.col("score") / fewer)
    )


def _score_coverage(index: GramIndex, matches: pl.DataFrame) -> pl.DataFrame:
    """Score by the share of the item's words that lie in a shared run."""
    size = index.rule.size
    to_next = pl.col("item_place").shift(-1).over(_PAIR) - pl.col("item_place")
    return (
        matches.select(*_PAIR, "item_place")
        .unique()
        .sort(*_PAIR, "item_place")
        .with_columns(pl.min_horizontal(to_next.fill_null(size), size).alias("covered"))
        .group_by(_PAIR)
        .agg(pl.col("covered").sum())
        .join(index.items, on="item")
        .select(*_PAIR, (pl.col("covered") / pl.col("item_words")).alias("score"))
    )


def _find_stretches(matches: pl.DataFrame) -> pl.DataFrame:
    """Return where a text's longest stretch of shared runs starts, and its length in runs."""
    places = matches.select(*_PAIR, "place").unique().sort(*_PAIR, "place")
    stretch = pl.col("place") - pl.int_range(pl.len()).over(_PAIR)
    return (
        places.with_columns(stretch.alias("stretch"))
        .group_by(*_PAIR, "stretch", maintain_order=True)
        .agg(pl.col("place").min().alias("start"), pl.len().cast(pl.Int64).alias("length"))
        .sort([*_PAIR, "length", "start"], descending=[False, False, True, False])
        .group_by(_PAIR, maintain_order=True)
        .first()
        .select(*_PAIR, "start", "length")
    )
