"""Stems and numbers: what of a text survives rewording.

"Janet sells 16 eggs, twice a week"  ->  stems janet sell egg twic week   numbers 16 2
"""

import threading
from functools import cache

import numpy as np
import polars as pl

from tasks.number_words import SCALES, TENS, UNMISTAKABLE
from tasks.select.words import Words, as_array, read_words, split_words

_ENDINGS = ("ings", "ing", "edly", "ed", "es", "s", "ly", "e", "al", "ment")
_SHORTEST = 3  # letters that an ending leaves
_TEXT_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_DIGITS = r"\d+(?:,\d{3})*(?:\.\d+)?"
_DRAWING = r"(?s)\[asy\].*?\[/asy\]"
_MARKUP = r"\\(?:begin|end)\s*\{[^{}]*\}|\\[\p{L}]+"
_MOST_KEPT = 4_000_000  # words; then it begins anew, for there is no end of misspellings
_MOST_OF_ONE = 4  # a number written more often counts so often
_OTHERS = {
    **{"half": 0.5, "halves": 0.5, "quarter": 0.25, "quarters": 0.25},
    **{"once": 1.0, "single": 1.0, "first": 1.0, "second": 2.0, "twice": 2.0, "pair": 2.0},
    **{"couple": 2.0, "double": 2.0, "doubled": 2.0, "doubles": 2.0, "third": 3.0, "thirds": 3.0},
    **{"thrice": 3.0, "triple": 3.0, "tripled": 3.0, "triples": 3.0, "fourth": 4.0},
    **{"fourths": 4.0, "fifth": 5.0, "fifths": 5.0, "sixth": 6.0},
}
NUMBER_WORDS = {
    word: float(value) for word, value in {**UNMISTAKABLE, **TENS, **SCALES, **_OTHERS}.items()
}
_FILLERS = (
    "a about after all also an and any are as at be been before both but by can did do "
    "does each for from had has have he her him his how i if in into is it its many much "
    "no not of on or our out s she so some t than that the their them then there these "
    "they this those to up was we were what when where which who will with you your "
)
STOP_WORDS = frozenset(_FILLERS.split())


def leave_out_markup(texts: pl.Series) -> pl.Series:
    """Return lower-case texts without LaTeX's commands and drawings, which say how, not what.

    Two matrices share `begin`, `pmatrix` and `end`, which are rare where few items have one. What
    a command is about stays: of `\\frac{x}{3}` x and 3.
    """
    marked = texts.str.contains("\\", literal=True) | texts.str.contains("[asy]", literal=True)
    if not marked.any():
        return texts
    return texts.str.replace_all(_DRAWING, " ").str.replace_all(_MARKUP, " ")


class StemBook:
    """The stems of the words met so far, so that a word is stemmed once and not once a chunk.

    Words and keys are hashes: what was met before changes no result, only how soon it is there.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known = pl.DataFrame(schema={"word": pl.UInt64, "key": pl.UInt64, "met": pl.Boolean})

    def look_up(self, words: Words, texts: pl.Series) -> pl.Series:
        """Return the key of every word's stem; numbers and fillers have none."""
        flat = pl.DataFrame({"word": words.hashes})
        known = self._known if self._known.height <= _MOST_KEPT else self._known.clear()
        found = flat.join(known, on="word", how="left", maintain_order="left")
        if found["met"].null_count():
            new = np.unique(words.owners[as_array(found["met"].is_null())])
            spelt = split_words(texts.gather(new)).explode(empty_as_null=False)
            known = self._learn(known, pl.DataFrame({"word": words.of(new).hashes, "spelt": spelt}))
            found = flat.join(known, on="word", how="left", maintain_order="left")
        return found["key"]

    def _learn(self, known: pl.DataFrame, read: pl.DataFrame) -> pl.DataFrame:
        """Stem the words that are new, and return them with those that were known."""
        spelt = pl.col("spelt")
        filler = spelt.str.contains(r"\p{N}") | spelt.is_in(list(STOP_WORDS))
        new = (
            read.unique("word")
            .join(known, on="word", how="anti")
            .select(
                "word",
                pl.when(~filler).then(_stem(spelt).hash(seed=0)).alias("key"),
                pl.lit(value=True).alias("met"),
            )
        )
        with self._lock:  # What another thread has learned meanwhile is lost, and learned again.
            self._known = pl.concat([known, new])
            return self._known


def find_stems(texts: pl.Series, words: Words | None = None) -> pl.DataFrame:
    """Return text and key: a row for every different stem of a text, numbers and fillers left out.

    A key is the hash of a stem. `texts` are in lower case, `words` theirs if they were read before.
    """
    words = read_words(texts) if words is None else words
    found = pl.DataFrame({"text": words.owners, "key": _BOOK.look_up(words, texts)}).drop_nulls()
    # Text and key as one number: to compare pairs of columns takes ten times as long.
    pairs = as_array(found["key"]) ^ (as_array(found["text"]).astype(np.uint64) * _TEXT_FACTOR)
    return found.filter(pl.Series(pairs).is_first_distinct())


def find_numbers(texts: pl.Series, words: Words) -> pl.DataFrame:
    """Return text, key and value: a row for every number, in digits or words, of a text.

    The key tells the first 16 of a text from its second one.
    """
    digits = texts.str.extract_all(_DIGITS).fill_null([])
    owners = pl.Series(range(len(texts)), dtype=pl.Int64)
    written = pl.DataFrame({"text": owners, "value": digits}).explode("value", empty_as_null=False)
    spelt = pl.DataFrame({"text": words.owners, "word": words.hashes}).join(
        _number_words(), on="word"
    )
    values = pl.concat(
        [
            written.select(
                "text", pl.col("value").str.replace_all(",", "").cast(pl.Float64, strict=False)
            ),
            spelt.select("text", "value"),
        ]
    ).drop_nulls()
    again = pl.int_range(pl.len()).over("text", "value")
    return (
        values.with_columns(again.alias("again"))
        .filter(pl.col("again") < _MOST_OF_ONE)
        .select("text", pl.struct("value", "again").hash(seed=0).alias("key"), "value")
    )


@cache
def _number_words() -> pl.DataFrame:
    spelt = pl.Series(list(NUMBER_WORDS), dtype=pl.String)
    values = pl.Series(list(NUMBER_WORDS.values()), dtype=pl.Float64)
    return pl.DataFrame({"word": read_words(spelt).hashes, "value": values})


def _stem(word: pl.Expr) -> pl.Expr:
    """Cut the first ending that leaves enough, then a doubled last letter; y becomes i."""
    cut = word
    for ending in reversed(_ENDINGS):
        ends = (
            word.str.ends_with(ending)
            & ~word.str.ends_with("ss")
            & (word.str.len_chars() >= len(ending) + _SHORTEST)
        )
        cut = pl.when(ends).then(word.str.head(word.str.len_chars() - len(ending))).otherwise(cut)
    doubled = (cut.str.len_chars() > 4) & (cut.str.tail(1) == cut.str.tail(2).str.head(1))
    single = pl.when(doubled).then(cut.str.head(cut.str.len_chars() - 1)).otherwise(cut)
    return (
        pl.when(single.str.len_chars() > 3).then(single.str.replace(r"y$", "i")).otherwise(single)
    )


_BOOK = StemBook()
