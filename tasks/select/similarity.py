"""Similarity: reworded items, found by their rare words and their numbers together.

    text  item  score  words  numbers
    0     7     1.12   0.61   0.73     score = words + 0.7 × numbers

`words` is the cosine of the two texts' word stems, each weighted by how few items have it, a little
less the shorter they are. `numbers` is the shared weight of the two multisets of numbers over their
joint weight and a constant, so that three small numbers that everybody has prove little. Weights
come from the items alone: a prompt's score does not depend on the other prompts.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array, hstack, vstack

from tasks.select.stems import find_numbers, find_stems, leave_out_markup
from tasks.select.words import as_array, read_words

NUMBERS_WEIGHT = 0.7  # this and the priors: chosen on one half of paraphrases (docs/overlap.md)
WORDS_PRIOR = (
    1.6  # squared weights of a new word: few words that agree, as of a template, prove little
)
NUMBERS_PRIOR = 1.0  # weight that both lack: that both have 2 and 3 proves little
FEWEST_STEMS = 5  # below that a text is a template: "What is the value of …?"
RARE_SHARE, RARE_AT_LEAST = 0.01, 200  # a word of more items than this proposes no candidates
MOST_FROM_COMMON = 0.45  # what common words and numbers were seen to add to a score
CANDIDATES = 10  # pairs of a text that are looked at in full, those that share most of what is rare
TEXTS_AT_A_TIME = 2_000
ITEMS_AT_A_TIME = 6_000  # a sum for each of them stays in the processor's cache
_ROUNDING = 1e-9
Matrix: TypeAlias = Any  # a csr_array; scipy comes without types
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The columns of a matrix and their weights; what no item has weighs `unknown`."""

    columns: pl.DataFrame  # key, column, weight, items
    unknown: float


@dataclass(frozen=True, slots=True)
class Features:
    """Texts as rows: word stems of unit length, numbers with their weights, and how many."""

    words: Matrix
    word_lengths: Floats
    numbers: Matrix
    number_weights: Floats
    stems: NDArray[np.int64]

    def between(self, start: int, stop: int) -> "Features":
        """Return the features of these rows."""
        rows = slice(start, stop)
        return Features(
            self.words[rows],
            self.word_lengths[rows],
            self.numbers[rows],
            self.number_weights[rows],
            self.stems[rows],
        )


@dataclass(frozen=True, slots=True)
class SimilarityIndex:
    """The items' features and the transposed, rare part of them that proposes candidates."""

    words: Vocabulary
    numbers: Vocabulary
    items: Features
    rare: tuple[Matrix, ...]  # words above numbers, so many items at a time
    common_words: NDArray[np.bool_]  # by column: too common to propose a candidate
    common_numbers: NDArray[np.bool_]
    common_lengths: Floats  # by item: the length of its common words' part


def index_items(texts: pl.Series) -> SimilarityIndex:
    """Index items by their lower-case texts."""
    stems, numbers = _find_features(texts)
    words = learn(stems, len(texts))
    # A number repeated is another column of the same weight.
    values = learn(numbers.select("text", "value").unique().rename({"value": "key"}), len(texts))
    keys = numbers.select("key", "value").unique()
    columns = (
        keys.join(values.columns.drop("column").rename({"key": "value"}), on="value")
        .sort("key")
        .with_row_index("column")
        .select("key", "column", "weight", "items")
    )
    number_vocabulary = Vocabulary(columns, values.unknown)
    items = _describe(stems, numbers, len(texts), words, number_vocabulary)
    most = max(RARE_AT_LEAST, int(RARE_SHARE * len(texts)))
    common_words = as_array(words.columns["items"]) > most
    common_numbers = as_array(columns["items"]) > most
    return SimilarityIndex(
        words,
        number_vocabulary,
        items,
        _split_items(
            vstack(
                [
                    _keep_rare(items.words, common_words),
                    _keep_rare(_count(items.numbers), common_numbers),
                ],
                format="csc",
            )
        ),
        common_words,
        common_numbers,
        np.sqrt(_add_common(items.words.power(2), common_words)),
    )


def describe_texts(index: SimilarityIndex, texts: pl.Series) -> Features:
    """Return the features of lower-case texts, in the columns and weights of the items'."""
    stems, numbers = _find_features(texts)
    return _describe(stems, numbers, len(texts), index.words, index.numbers)


def _describe(
    stems: pl.DataFrame,
    numbers: pl.DataFrame,
    texts: int,
    words: Vocabulary,
    values: Vocabulary,
) -> Features:
    word_rows, word_squares, counts = weigh(stems, texts, words, squared=True)
    number_rows, number_weights, _ = weigh(numbers, texts, values, squared=False)
    lengths = np.sqrt(np.maximum(word_squares, 1e-12))
    word_rows.data /= np.repeat(lengths, np.diff(word_rows.indptr))
    return Features(word_rows, lengths, number_rows, number_weights, counts)


def match_similar(
    index: SimilarityIndex, texts: pl.Series, at_least: float, most: int
) -> pl.DataFrame:
    """Return text, item, score, words and numbers of every pair that scores enough.

    Of a text's items the best `most` are returned. Texts and items of fewer than 5 stems have none.
    """
    features = describe_texts(index, texts)
    found = [
        _match_some(index, features.between(start, start + TEXTS_AT_A_TIME), at_least).with_columns(
            pl.col("text") + start
        )
        for start in range(0, len(texts), TEXTS_AT_A_TIME)
    ]
    return (
        pl.concat([_NO_MATCHES, *found])
        .sort(["text", "score", "item"], descending=[False, True, False])
        .group_by("text", maintain_order=True)
        .head(most)
    )


_NO_MATCHES = pl.DataFrame(
    schema={
        "text": pl.Int64,
        "item": pl.Int64,
        "score": pl.Float64,
        "words": pl.Float64,
        "numbers": pl.Float64,
    }
)


def _find_features(texts: pl.Series) -> tuple[pl.DataFrame, pl.DataFrame]:
    plain = leave_out_markup(texts)
    words = read_words(plain)
    return find_stems(plain, words), find_numbers(plain, words)


def _match_some(index: SimilarityIndex, features: Features, at_least: float) -> pl.DataFrame:
    rows, items = _propose(index, features, at_least)
    both = features.word_lengths[rows] * index.items.word_lengths[items]
    prior = WORDS_PRIOR * index.words.unknown**2
    words = _dot(features.words[rows], index.items.words[items]) * both / (both + prior)
    shared = _dot(features.numbers[rows], _count(index.items.numbers[items]))
    joint = features.number_weights[rows] + index.items.number_weights[items] - shared
    alike = shared / (joint + NUMBERS_PRIOR)
    scores = words + NUMBERS_WEIGHT * alike
    found = pl.DataFrame(
        {"text": rows, "item": items, "score": scores, "words": words, "numbers": alike},
        schema=_NO_MATCHES.schema,
    )
    return found.filter(pl.col("score") >= at_least)


def _propose(
    index: SimilarityIndex, features: Features, at_least: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the pairs, a text's most likely ones, that share what is rare and could score enough.

    What their common words can add is at most the product of the lengths of those parts, what
    common numbers can add at most their weight in the text.
    """
    per_weight = NUMBERS_WEIGHT / (features.number_weights + NUMBERS_PRIOR)
    numbers = features.numbers.copy()
    numbers.data *= np.repeat(per_weight, np.diff(numbers.indptr))
    lengths = np.sqrt(_add_common(features.words.power(2), index.common_words))
    common = _add_common(numbers, index.common_numbers)
    # Nearly all pairs fall here, before what is asked of each of them alone is looked up.
    rest = lengths * index.common_lengths.max(initial=0.0) + common
    fewest = np.maximum(at_least - MOST_FROM_COMMON, at_least - rest - _ROUNDING)
    fewest[features.stems < FEWEST_STEMS] = np.inf
    rows, items, values = _find_nearer(
        _narrow(hstack([features.words, numbers], format="csr")), index.rare, fewest
    )
    bound = values + lengths[rows] * index.common_lengths[items]
    bound += common[rows]
    enough = (bound >= at_least) & (index.items.stems[items] >= FEWEST_STEMS)
    rows, items, values = rows[enough], items[enough], values[enough]
    # Sums that differ by rounding alone are ties, and the smaller item is looked at.
    order = np.lexsort((items, -np.round(values, 9), rows))
    rows, items = rows[order], items[order]
    firsts = np.searchsorted(rows, rows)
    best = np.arange(len(rows)) - firsts < CANDIDATES
    return rows[best].astype(np.int64), items[best].astype(np.int64)


def _find_nearer(
    texts: Matrix, rare: tuple[Matrix, ...], fewest: Floats
) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """Return text, item and sum of the products, where that is as much as the text needs."""
    found = []
    before = 0
    for items in rare:
        near = texts @ items
        shares = np.diff(near.indptr)
        likely = np.flatnonzero(near.data >= np.repeat(fewest, shares))
        rows = np.searchsorted(near.indptr, likely, side="right") - 1
        found.append((rows, near.indices[likely].astype(np.int64) + before, near.data[likely]))
        before += items.shape[1]
    rows, columns, values = (np.concatenate(each) for each in zip(*found, strict=True))
    return rows, columns, values


def _split_items(rare: Matrix) -> tuple[Matrix, ...]:
    """Return the matrix in parts of so many columns."""
    starts = range(0, max(rare.shape[1], 1), ITEMS_AT_A_TIME)
    return tuple(_narrow(csr_array(rare[:, at : at + ITEMS_AT_A_TIME])) for at in starts)


def _narrow(matrix: Matrix) -> Matrix:
    """Return the matrix with places of 32 bits, which is half as much to read."""
    places = matrix.indices.astype(np.int32), matrix.indptr.astype(np.int32)
    return csr_array((matrix.data, *places), shape=matrix.shape)


def learn(found: pl.DataFrame, texts: int) -> Vocabulary:
    """Weigh every key by the logarithm of how few of the texts have it."""
    columns = (
        found.group_by("key")
        .agg(pl.len().alias("items"))
        .sort("key")
        .with_row_index("column")
        .with_columns(
            ((texts + 1) / (pl.col("items") + 0.5)).log().clip(lower_bound=0).alias("weight")
        )
    )
    unknown = float(np.log((texts + 1) / 0.5))
    return Vocabulary(columns.select("key", "column", "weight", "items"), unknown)


def weigh(
    found: pl.DataFrame, texts: int, vocabulary: Vocabulary, *, squared: bool
) -> tuple[Matrix, Floats, NDArray[np.int64]]:
    """Return the weights as a matrix, their sum (of squares) a text, and the count of keys."""
    joined = found.select("text", "key").join(vocabulary.columns, on="key", how="left")
    weight = as_array(joined["weight"].fill_null(vocabulary.unknown))
    owners = as_array(joined["text"])
    sums = np.bincount(owners, weight**2 if squared else weight, minlength=texts).astype(float)
    counts: NDArray[np.int64] = np.bincount(owners, minlength=texts)
    known = joined.filter(pl.col("column").is_not_null())
    matrix = csr_array(
        (
            as_array(known["weight"]),
            (as_array(known["text"]), as_array(known["column"]).astype(np.int64)),
        ),
        shape=(texts, vocabulary.columns.height),
    )
    return matrix, sums, counts


def _keep_rare(items: Matrix, common: NDArray[np.bool_]) -> Matrix:
    """Return the transposed matrix without the rows of what is common."""
    transposed = csr_array(items.T)
    transposed.data[np.repeat(common, np.diff(transposed.indptr))] = 0
    transposed.eliminate_zeros()
    return transposed


def _add_common(matrix: Matrix, common: NDArray[np.bool_]) -> Floats:
    """Return the sum of the common columns of every row."""
    return np.asarray(matrix @ common.astype(np.float64)).ravel()


def _count(matrix: Matrix) -> Matrix:
    """Return the matrix with a one where it has a value."""
    return csr_array((np.ones_like(matrix.data), matrix.indices, matrix.indptr), shape=matrix.shape)


def _dot(one: Matrix, other: Matrix) -> Floats:
    return np.asarray(one.multiply(other).sum(axis=1)).ravel()
