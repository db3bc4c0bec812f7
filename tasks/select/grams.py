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

from tasks.select.words import (
    SPACED,
    WORD,
    Flags,
    Hashes,
    Places,
    Words,
    as_array,
    find_runs,
    hash_runs,
    start_at,
)

SIEVE_BITS = 24
BUCKET_BITS = 20
MATCHES_AT_A_TIME = 4_000_000  # rows of a join; boiler-plate of a benchmark can meet everything
_PAIR = ["text", "item"]
_BUCKET_SHIFT = np.uint64(64 - BUCKET_BITS)
_TEXT_FACTOR = np.uint64(0x9E3779B97F4A7C15)


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
    """The runs of all items, and what is needed to pass by nearly all others quickly.

    The items that have run `grams[i]` are `items[starts[i]:starts[i + 1]]`, each at that place.
    """

    rule: GramRule
    grams: Hashes  # in order, each once
    buckets: Places  # where those begin whose first bits are 0, 1, …
    starts: Places
    items: Places
    item_places: Places
    item_grams: Places  # by item: how many different runs it has
    item_words: Places
    sieve: Flags


@dataclass(frozen=True, slots=True)
class Shared:
    """Runs of texts that items have, text after text: run `grams[i]` of the index is in text
    `texts[i]` at `places[i]`."""

    grams: Places
    texts: Places
    places: Places

    def between(self, start: int, stop: int) -> "Shared":
        """Return these rows."""
        return Shared(self.grams[start:stop], self.texts[start:stop], self.places[start:stop])


def index_items(rule: GramRule, words: Words, allowed: Hashes) -> GramIndex:
    """Index the items' runs but for those that anybody may have."""
    runs = hash_runs(words, rule.size)
    free = np.isin(runs.hashes, allowed)
    held = pl.DataFrame(
        {
            "gram": runs.hashes[~free],
            "item": runs.owners[~free],
            "item_place": runs.places[~free],
        }
    )
    different = held.unique(["gram", "item"], keep="first", maintain_order=True)
    held = (held if rule.measure == "coverage" else different).sort("gram", maintain_order=True)
    grams, starts = np.unique(as_array(held["gram"]), return_index=True)
    sieve = np.zeros(2**SIEVE_BITS, np.bool_)
    sieve[grams >> np.uint64(64 - SIEVE_BITS)] = True
    return GramIndex(
        rule,
        grams,
        np.searchsorted(grams, np.arange(2**BUCKET_BITS).astype(np.uint64) << _BUCKET_SHIFT),
        np.append(starts, held.height),
        as_array(held["item"]),
        as_array(held["item_place"]),
        np.bincount(as_array(different["item"]), minlength=len(words.lengths)),
        words.lengths,
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
    found = [_NO_MATCHES]
    for shared in _split_joins(index, _find_shared(index, words)):
        scored = _score(index, shared, words).filter(pl.col("score") > more_than)
        best = (
            scored.sort(["text", "score", "item"], descending=[False, True, False])
            .group_by("text", maintain_order=True)
            .head(most)
        )
        found.append(best.join(_find_stretches(index, shared, best), on=_PAIR))
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


def _find_shared(index: GramIndex, words: Words) -> Shared:
    runs = find_runs(words, index.rule.size, index.sieve, SIEVE_BITS)
    grams = _look_up(index, runs.hashes)
    met = np.flatnonzero(grams >= 0)
    return Shared(grams[met], runs.owners[met], runs.places[met])


def _look_up(index: GramIndex, hashes: Hashes) -> Places:
    """Return the place of each of these runs in the index, or -1.

    A bucket holds one or two, so a few steps are enough, where halving all takes twenty, each into
    memory that no cache has.
    """
    found = np.full(len(hashes), -1)
    open_ = np.arange(len(hashes))
    places = index.buckets[hashes >> _BUCKET_SHIFT]
    while True:
        inside = places < len(index.grams)
        open_, places = open_[inside], places[inside]
        held, sought = index.grams[places], hashes[open_]
        same = held == sought
        found[open_[same]] = places[same]
        later = held < sought
        if not later.any():
            return found
        open_, places = open_[later], places[later] + 1


def _split_joins(index: GramIndex, shared: Shared) -> Iterator[Shared]:
    """Yield the rows of some texts at a time, so that no join of them with the items is huge."""
    matches = np.cumsum(index.starts[shared.grams + 1] - index.starts[shared.grams])
    ends = np.flatnonzero(np.diff(shared.texts, append=-1)) + 1  # a text's rows stay together
    part = matches[ends - 1] // MATCHES_AT_A_TIME
    stops = ends[np.flatnonzero(np.diff(part, append=-1))].tolist()
    for start, stop in zip([0, *stops], stops, strict=False):
        yield shared.between(start, stop)


def _join_items(index: GramIndex, shared: Shared) -> tuple[Places, Places]:
    """Return for every row and every item that has its run: which row, and which of the items."""
    counts = index.starts[shared.grams + 1] - index.starts[shared.grams]
    rows = np.repeat(np.arange(len(counts)), counts)
    offsets = index.starts[shared.grams] - start_at(counts)[:-1]
    return rows, offsets[rows] + np.arange(len(rows))


def _score(index: GramIndex, shared: Shared, words: Words) -> pl.DataFrame:
    """Return text, item and score."""
    if index.rule.measure == "coverage":
        return _score_coverage(index, shared)
    # A run that a text repeats counts once; the index has each but once of an item.
    _, once = np.unique(shared.texts * len(index.grams) + shared.grams, return_index=True)
    different = Shared(shared.grams[once], shared.texts[once], shared.places[once])
    rows, held = _join_items(index, different)
    ordered = np.sort(_pair(index, different.texts[rows], index.items[held]))
    begins = np.flatnonzero(np.diff(ordered, prepend=-1))
    pairs, counts = ordered[begins], np.diff(begins, append=len(ordered))
    texts, items = np.divmod(pairs, len(index.item_words))
    if index.rule.measure == "count":
        return _as_scores(texts, items, counts.astype(float))
    met, places = np.unique(texts, return_inverse=True)
    fewer = np.minimum(
        _count_different(words.of(met), index.rule.size)[places], index.item_grams[items]
    )
    return _as_scores(texts, items, counts / fewer)


def _score_coverage(index: GramIndex, shared: Shared) -> pl.DataFrame:
    """Score by the share of the item's words that lie in a shared run."""
    size = index.rule.size
    rows, held = _join_items(index, shared)
    longest = int(index.item_words.max(initial=0)) + size  # so that no run reaches the next pair
    covered = _distinct(
        _pair(index, shared.texts[rows], index.items[held]) * longest + index.item_places[held]
    )
    owners = covered // longest
    starts = np.flatnonzero(np.diff(owners, prepend=-1))
    pairs = owners[starts]
    to_next = np.minimum(np.diff(covered, append=covered[-1:] + size), size)
    texts, items = np.divmod(pairs, len(index.item_words))
    words = np.add.reduceat(to_next, starts) if len(starts) else starts
    return _as_scores(texts, items, words / index.item_words[items])


def _find_stretches(index: GramIndex, shared: Shared, best: pl.DataFrame) -> pl.DataFrame:
    """Return where a text's longest stretch of shared runs starts, and its length in runs."""
    wanted = np.sort(_pair(index, as_array(best["text"]), as_array(best["item"])))
    rows, held = _join_items(index, shared)
    pairs = _pair(index, shared.texts[rows], index.items[held])
    at = np.minimum(np.searchsorted(wanted, pairs), len(wanted) - 1)
    chosen = np.flatnonzero(wanted[at] == pairs) if len(wanted) else np.empty(0, np.int64)
    longest = int(shared.places.max(initial=0)) + 2  # so that no place follows on another pair's
    places = _distinct(pairs[chosen] * longest + shared.places[rows[chosen]])
    begins = np.flatnonzero(np.diff(places, prepend=-2) != 1)
    found, starts = np.divmod(places[begins], longest)
    texts, items = np.divmod(found, len(index.item_words))
    stretches = pl.DataFrame(
        {
            "text": texts,
            "item": items,
            "start": starts,
            "length": np.diff(begins, append=len(places)),
        }
    )
    return (
        stretches.sort([*_PAIR, "length", "start"], descending=[False, False, True, False])
        .group_by(_PAIR, maintain_order=True)
        .first()
    )


def _count_different(words: Words, size: int) -> Places:
    """Return how many different runs each text has."""
    runs = hash_runs(words, size)
    mixed = runs.hashes ^ (runs.owners.astype(np.uint64) * _TEXT_FACTOR)
    first = as_array(pl.Series(mixed).is_first_distinct())
    counts: Places = np.bincount(runs.owners[first], minlength=len(words.lengths))
    return counts


def _distinct(values: Places) -> Places:
    """Return each value once, in order; numpy's own `unique` hashes first and takes five times."""
    ordered = np.sort(values)
    distinct: Places = ordered[np.diff(ordered, prepend=-1) != 0]
    return distinct


def _pair(index: GramIndex, texts: Places, items: Places) -> Places:
    """Return text and item as one number: pairs of columns take ten times as long to compare."""
    return texts * len(index.item_words) + items


def _as_scores(texts: Places, items: Places, scores: NDArray[np.float64]) -> pl.DataFrame:
    return pl.DataFrame({"text": texts, "item": items, "score": scores})
