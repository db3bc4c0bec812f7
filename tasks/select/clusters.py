"""Clusters: prompts whose signatures meet in a band, joined to groups with one representative.

    prompt_id  representative_id  method   score
    7c1e…      03ab…              minhash  0.88    estimated Jaccard similarity of the two

A cluster is a connected component, so neither the order of the rows nor when they came in matters.
Who may not be released for its licence stands for nobody who may, or both would be lost.
Two prompts whose answers are known and differ ask two things, however alike they are, unless other
numbers are to make no other prompt.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from tasks.recipe import DuplicateSettings
from tasks.select.chunks import map_chunks
from tasks.select.minhash import Signatures, as_signatures, estimate_similarity
from tasks.select.words import as_array

METHOD, MEANING = "minhash", "embedding"
NOBODY = pl.Series("prompt_id", [], pl.String)
PAIRS_AT_A_TIME = 100_000
_NUMBERS_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_BAND_FACTOR = np.uint64(0xD6E8FEB86659FD93)
Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Signed:
    """Prompts in the order in which they stand for others, with their signatures."""

    prompt_ids: pl.Series
    numbers: NDArray[np.uint64]
    answers: NDArray[np.uint64]  # hashed, 0 where none is known
    signatures: Signatures


def gather_signed(
    batches: Iterable[pl.DataFrame], permutations: int, refused: pl.Series = NOBODY
) -> Signed:
    """Put rows of sql/queries/select_signatures.sql in the order in which they stand for others.

    That order is: those whose licence is `refused` last, with an answer before without, seed before
    rewrite, then the smaller id. No stage changes anything in it later on, so a representative
    stays while samples come in.
    """
    frames, signatures = [], [np.empty((0, permutations), np.uint8)]
    for batch in batches:
        frames.append(batch.drop("signature"))
        signatures.append(as_signatures(batch["signature"], permutations))
    if not frames:
        nothing = np.empty(0, np.uint64)
        return Signed(pl.Series(dtype=pl.String), nothing, nothing, signatures[0])
    order = [is_refused(refused), "lacks_answer", "is_rewrite", "prompt_id"]
    ordered = pl.concat(frames).with_row_index("row").sort(order)
    rows = as_array(ordered["row"])
    stacked = np.concatenate(signatures)
    signatures.clear()
    answers = as_array(ordered["answer_mark"].fill_null(0))
    return Signed(ordered["prompt_id"], as_array(ordered["numbers"]), answers, stacked[rows])


def is_refused(refused: pl.Series) -> pl.Expr:
    """Tell of prompts whether they are among those whose licence is refused."""
    return pl.col("prompt_id").is_in(refused.implode())


def cluster(signed: Signed, settings: DuplicateSettings) -> pl.DataFrame:
    """Return a row for every prompt that another one of its cluster stands for."""
    if settings.numbers == "ignore":
        signed = replace(signed, answers=np.zeros_like(signed.answers))
    firsts, others = find_pairs(signed, settings)
    count = len(signed.numbers)
    standing_for = _stand_for(firsts, others, count)
    # A prompt without an answer may have joined two that have different ones.
    alike = _may_be_one(signed.answers, standing_for, np.arange(count))
    rows = np.flatnonzero((standing_for != np.arange(count)) & alike)
    scores = _estimate(signed.signatures, rows, standing_for[rows])
    return pl.DataFrame(
        {
            "prompt_id": signed.prompt_ids.gather(rows),
            "representative_id": signed.prompt_ids.gather(standing_for[rows]),
            "method": pl.repeat(METHOD, len(rows), dtype=pl.String, eager=True),
            "score": np.round(scores, 4),
        }
    ).sort("prompt_id")


def cluster_pairs(pairs: pl.DataFrame, refused: pl.Series = NOBODY) -> pl.DataFrame:
    """Do the same with pairs that are found already: rows of sql/queries/neighbours_joined.sql.

    The score is the greatest similarity that a prompt has to another one of its cluster.
    """
    one = pairs.select("prompt_id", "lacks_answer", "is_rewrite", "similarity")
    other = pairs.select(
        prompt_id="other_id",
        lacks_answer="other_lacks_answer",
        is_rewrite="other_is_rewrite",
        similarity="similarity",
    )
    ranked = (
        pl.concat([one, other])
        .group_by("prompt_id", "lacks_answer", "is_rewrite")
        .agg(pl.col("similarity").max())
        .sort(is_refused(refused), "lacks_answer", "is_rewrite", "prompt_id")
    )
    names = ranked["prompt_id"]
    places = dict(zip(names, range(len(names)), strict=True))
    ends = [
        np.array([places[name] for name in pairs[end]], np.int64)
        for end in ("prompt_id", "other_id")
    ]
    standing_for = _stand_for(ends[0], ends[1], len(names))
    return (
        ranked.select(
            "prompt_id",
            pl.Series("representative_id", names.gather(standing_for)),
            pl.lit(MEANING).alias("method"),
            pl.col("similarity").round(4).alias("score"),
        )
        .filter(pl.col("prompt_id") != pl.col("representative_id"))
        .sort("prompt_id")
    )


def find_pairs(signed: Signed, settings: DuplicateSettings) -> tuple[Numbers, Numbers]:
    """Return pairs that share a band, their numbers and enough of their signatures.

    Pairs whose answers differ are left out. In a band's bucket everyone is compared with the one
    who stands first and with the one before.
    """
    bands = _as_bands(signed.signatures, settings.bands, settings.rows)

    def match_band(band: int) -> Numbers:
        pairs = _meet(_hash_band(signed.numbers, bands[:, band]))
        similar = _estimate(signed.signatures, pairs[0], pairs[1]) >= settings.threshold
        return pairs[:, similar & _may_be_one(signed.answers, pairs[0], pairs[1])]

    firsts, others = np.concatenate([*map_chunks(match_band, range(settings.bands))], axis=1)
    return firsts, others


def _may_be_one(answers: NDArray[np.uint64], firsts: Numbers, others: Numbers) -> NDArray[np.bool_]:
    """Tell of pairs whether their answers are the same, or one of them is not known."""
    one, other = answers[firsts], answers[others]
    alike: NDArray[np.bool_] = (one == other) | (one == 0) | (other == 0)
    return alike


def _meet(keys: NDArray[np.uint64]) -> Numbers:
    """Return two rows: pairs of places that have the same key."""
    met = _find_recurring(keys)
    sorting = np.argsort(keys[met], kind="stable")
    order, keys = met[sorting], keys[met[sorting]]
    begins = np.ones(len(order), np.bool_)
    begins[1:] = keys[1:] != keys[:-1]
    heads = np.maximum.accumulate(np.where(begins, np.arange(len(order)), 0))
    same = np.flatnonzero(~begins)
    with_first = np.stack([order[heads[same]], order[same]])
    with_last = np.stack([order[same - 1], order[same]])
    pairs: Numbers = np.unique(np.concatenate([with_first, with_last], axis=1), axis=1)
    return pairs


def _stand_for(firsts: Numbers, others: Numbers, count: int) -> Numbers:
    """Return for each of `count` prompts the first one of its connected component."""
    graph = coo_array((np.ones(len(firsts), np.bool_), (firsts, others)), shape=(count, count))
    _, labels = connected_components(graph, directed=False)
    representatives = np.full(labels.max(initial=-1) + 1, count, np.int64)
    np.minimum.at(representatives, labels, np.arange(count))
    standing_for: Numbers = representatives[labels]
    return standing_for


def _as_bands(signatures: Signatures, bands: int, rows: int) -> NDArray[np.uint64]:
    """Return each row's bands as numbers, eight bytes in each and zeros where bytes lack."""
    apart = signatures.reshape(-1, bands, rows)
    if lacking := -rows % 8:
        apart = np.pad(apart, ((0, 0), (0, 0), (0, lacking)))
    return apart.view("<u8")


def _hash_band(numbers: NDArray[np.uint64], band: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the key of a band's bucket: its bytes and the numbers, so other numbers never meet."""
    keys = numbers * _NUMBERS_FACTOR
    for part in band.T:
        keys = (keys + part) * _BAND_FACTOR
        keys ^= keys >> np.uint64(32)
    return keys


def _find_recurring(keys: NDArray[np.uint64]) -> Numbers:
    """Return the places of the keys that are there more than once: few of them, as a rule."""
    ordered = np.sort(keys)
    twice = pl.Series(ordered[1:][ordered[1:] == ordered[:-1]])
    return np.flatnonzero(as_array(pl.Series(keys).is_in(twice.implode())))


def _estimate(signatures: Signatures, firsts: Numbers, others: Numbers) -> NDArray[np.float64]:
    parts = [
        estimate_similarity(
            signatures[firsts[start : start + PAIRS_AT_A_TIME]],
            signatures[others[start : start + PAIRS_AT_A_TIME]],
        )
        for start in range(0, len(firsts), PAIRS_AT_A_TIME)
    ]
    return np.concatenate([np.empty(0), *parts])
