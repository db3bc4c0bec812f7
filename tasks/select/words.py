"""Words: texts as arrays of hashed words and runs of words, a frame of texts at a time.

    "How many ducks? How many?"   words   how many ducks how many
                                  2-grams how+many  many+ducks  ducks+how  how+many

Everything is one flat array of 64-bit hashes and the place where each text starts in it, so that
neither 1.4 million prompts nor their 64 million 5-grams are ever Python objects.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

WORD = r"[\p{L}\p{N}]+"
SPACED = r"\S+"
Hashes = NDArray[np.uint64]
Places = NDArray[np.int64]
_MULTIPLIER = 0x9E3779B97F4A7C15  # odd, so that no bit of a word's hash is lost
_ALL_BITS = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Runs:
    """Hashed runs of words, text after text: `owners[i]` is the text and `places[i]` the position
    in that text of `hashes[i]`."""

    hashes: Hashes
    owners: Places
    places: Places


@dataclass(frozen=True, slots=True)
class Words:
    """The hashed words of texts, one text after the other; text i has `starts[i]:starts[i + 1]`."""

    hashes: Hashes
    starts: Places

    @property
    def lengths(self) -> Places:
        """How many words each text has."""
        return np.diff(self.starts)

    @property
    def owners(self) -> Places:
        """The text that each word is of."""
        return np.repeat(np.arange(len(self.starts) - 1), self.lengths)


def join_choices(texts: pl.DataFrame) -> pl.Series:
    """Return the lower-case text of each row of `text` and `choices`, the options at its end."""
    whole = pl.concat_str(
        pl.col("text"),
        pl.col("choices").cast(pl.List(pl.String)).list.join(" "),
        separator=" ",
        ignore_nulls=True,
    )
    return texts.select(whole.str.to_lowercase().alias("whole"))["whole"]


def split_words(texts: pl.Series, pattern: str = WORD) -> pl.Series:
    """Return the words of each lower-case text, in order, as a list."""
    return texts.str.extract_all(pattern).fill_null([])


def hash_words(lists: pl.Series) -> Words:
    """Hash the words of every text."""
    flat = lists.explode(empty_as_null=False)
    return Words(as_array(flat.hash(seed=0)), start_at(as_array(lists.list.len())))


def hash_runs(words: Words, size: int) -> Runs:
    """Hash every run of `size` words; a text shorter than that has none."""
    count = len(words.hashes) - size + 1
    if count <= 0:
        nothing = np.empty(0, np.int64)
        return Runs(np.empty(0, np.uint64), nothing, nothing)
    hashes = words.hashes[:count].copy()
    part = np.empty_like(hashes)
    for step in range(1, size):
        np.multiply(words.hashes[step : step + count], _factor(step), out=part)
        hashes += part
    whole = np.ones(count, np.bool_)
    for back in range(1, size):  # A run that begins in the last words of a text ends in the next.
        last = words.starts[1:] - back
        whole[last[(last >= words.starts[:-1]) & (last < count)]] = False
    owners = words.owners[:count][whole]
    positions = np.flatnonzero(whole)
    return Runs(hashes[whole], owners, positions - words.starts[owners])


def hash_short(words: Words, size: int) -> Runs:
    """Hash the texts of fewer than `size` words as one run each; those without a word have none."""
    lengths = words.lengths
    short = np.flatnonzero((lengths > 0) & (lengths < size))
    hashes = np.zeros(len(short), np.uint64)
    for step in range(size - 1):
        long_enough = lengths[short] > step
        hashes[long_enough] += words.hashes[words.starts[short[long_enough]] + step] * _factor(step)
    return Runs(hashes, short, np.zeros(len(short), np.int64))


def start_at(lengths: NDArray[Any]) -> Places:
    """Return where each of these stretches starts, and at last where the last one ends."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])


def as_array(series: pl.Series) -> NDArray[Any]:
    """Return a series without nulls as an array."""
    return series.to_numpy()


def _factor(step: int) -> np.uint64:
    return np.uint64(pow(_MULTIPLIER, step, 2**64) & _ALL_BITS)
