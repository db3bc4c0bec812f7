"""Words: texts as arrays of hashed words and runs of words, a frame of texts at a time.

    "How many ducks? How many?"   words   how many ducks how many
                                  2-grams how+many  many+ducks  ducks+how  how+many

Everything is one flat array of 64-bit hashes and the place where each text starts in it, so that
neither 1.4 million prompts nor their 64 million 5-grams are ever Python objects. Words are found
in the bytes of the texts, eight at a time, which takes a third of the time of a regular expression;
one that is not ASCII goes through the expression first, and comes out the same.

What is compared is a form of a text that is kept nowhere: `fold` takes out what a reader does not
see, such as a soft hyphen, `spread` makes words of scripts that put no spaces between them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

WORD = r"[\p{L}\p{N}]+"
SPACED = r"\S+"
UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}ー\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"  # in a class
TEXTS_AT_A_TIME = 1_000  # their bytes and words stay in the processor's cache
Bytes = NDArray[np.uint8]
Flags = NDArray[np.bool_]
Hashes = NDArray[np.uint64]
Places = NDArray[np.int64]
_UNSPACED = f"[{UNSPACED}]"
# Not the letters and marks that most texts of European languages have, and that stay as they are.
_ODD = "[^\x00-\x7fÀ-ÖØ-öø-ÿ‘’“”„–—−×÷°€£]"
_RAISED = "[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿⁱ]+"
_FRACTION = "[¼½¾⅐-⅞↉]"
# Soft hyphens, marks of width zero and of direction, byte order marks; and what chooses a glyph.
_UNSEEN = r"[\p{Cf}\x{34F}\x{FE00}-\x{FE0F}]"
# At words' ends; by one star alone only what begins with a letter: 2 *3* 4 is a product.
_EMPHASIS = (
    r"""(^|[\s(“"'])\*(?:\*{1,2}([^\s*](?:[^*\n]*[^\s*])?)\*{2,3}|(\p{L}(?:[^*\n]*[^\s*])?)\*)"""
    r"""($|[\s.,;:?!)”"'])"""
)
_CODE_SPAN = r"(?s)```.*?```|`[^`\n]+`"
_FENCE = r"```[\w+#-]*"
_CAPITALISED = r"\w*\p{Lu}\w*"
_MULTIPLIER = 0x9E3779B97F4A7C15  # odd, so that no bit of a word's hash is lost
_ALL_BITS = 2**64 - 1
_LENGTH_FACTOR, _FIRST_MIX, _SECOND_MIX = (
    np.uint64(factor) for factor in (0xD6E8FEB86659FD93, 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9)
)
_BYTES_OF = np.array([2 ** (8 * size) - 1 for size in range(9)], np.uint64)


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

    def of(self, texts: Places) -> "Words":
        """Return the words of these texts, as those of texts 0, 1, …"""
        starts = start_at(self.lengths[texts])
        places = np.repeat(self.starts[texts] - starts[:-1], np.diff(starts))
        return Words(self.hashes[places + np.arange(len(places))], starts)


def fold(text: pl.Expr) -> pl.Expr:
    """Return texts without what their encoding alone tells apart: width, ligatures, soft hyphens.

    Unlike `identity.normalise`, by which prompts are known, this is for comparing alone. A raised
    digit is written as a power and ½ as 1/2 first, or x² were the same as x2 and 1½ as 11/2.
    """
    return text.map_batches(fold_texts, return_dtype=pl.String)


def fold_texts(texts: pl.Series) -> pl.Series:
    """Return the same of a series; texts of plain letters, as most are, are left as they are."""
    return _rewrite(texts, _find_odd(texts), _fold)


def _fold(texts: pl.Series) -> pl.Series:
    return (
        texts.str.replace_all(_RAISED, "^${0}")
        .str.replace_all(_FRACTION, " ${0}")
        .str.normalize("NFKC")
        .str.replace_all("\u2044", "/", literal=True)
        .str.replace_all(_UNSEEN, "")
    )


def spread(texts: pl.Series) -> pl.Series:
    """Return texts with the characters of scripts without spaces in overlapping pairs.

    有15个苹果 becomes 有 有 15 个 个苹 苹果 果. Where words end only a dictionary knows; pairs of
    characters are what is searched for without one.
    """
    apart = texts.str.replace_all(f"{_UNSPACED}+", " ${0} ")
    return apart.str.replace_all(_UNSPACED, "${0} ${0}")


def close_up(spread_text: pl.Expr) -> pl.Expr:
    """Return words of a spread text, one space between them, about as they were written."""
    return spread_text.str.replace_all(f"({_UNSPACED}) {_UNSPACED}", "${1}")


def leave_out_emphasis(text: pl.Expr) -> pl.Expr:
    """Return texts without Markdown's stars around words: `**12**` is 12, and 2 * 3 * 4 stays."""
    return text.map_batches(_leave_out_stars, return_dtype=pl.String)


def _leave_out_stars(texts: pl.Series) -> pl.Series:
    def leave_out(starred: pl.Series) -> pl.Series:
        for _ in range(2):  # A sign between two of them is part of one match alone.
            starred = starred.str.replace_all(_EMPHASIS, "${1}${2}${3}${4}")
        return starred

    return _rewrite(texts, _which(texts.str.contains("*", literal=True)), leave_out)


def find_capitals(texts: pl.Series) -> pl.Series:
    """Return the words with a capital letter in each text's code, which is what has backticks.

    Null where there are none. `A` and `a` are two names, while case in prose is only typography.
    """
    marked = _which(texts.str.contains("`", literal=True))
    code = texts[marked].str.extract_all(_CODE_SPAN).list.join("\n").str.replace_all(_FENCE, " ")
    capitals = code.str.extract_all(_CAPITALISED).list.join(" ")
    found = capitals.to_frame("found").select(pl.col("found").replace("", None))["found"]
    return pl.repeat(None, len(texts), dtype=pl.String, eager=True).scatter(marked, found)


def _find_odd(texts: pl.Series) -> Places:
    """Return which texts have a sign that has another form, or a script without spaces."""
    foreign = _which(texts.str.len_bytes() != texts.str.len_chars())
    return foreign[_which(texts[foreign].str.contains(_ODD))]


def _which(flags: pl.Series) -> Places:
    return np.flatnonzero(as_array(flags.fill_null(value=False)))


def _rewrite(
    texts: pl.Series, chosen: Places, change: Callable[[pl.Series], pl.Series]
) -> pl.Series:
    """Return texts with some of them changed; an expression would go through all of them."""
    return texts.clone().scatter(chosen, change(texts[chosen])) if len(chosen) else texts


def join_choices(texts: pl.DataFrame) -> pl.Series:
    """Return what is compared of each row of `text` and `choices`, the options at its end.

    It is folded, spread and in lower case.
    """
    whole = pl.concat_str(
        pl.col("text"),
        pl.col("choices").cast(pl.List(pl.String)).list.join(" "),
        separator=" ",
        ignore_nulls=True,
    )
    joined = texts.select(whole.alias("whole"))["whole"]
    compared = _rewrite(joined, _find_odd(joined), lambda odd: spread(_fold(odd)))
    return compared.str.to_lowercase()


def split_words(texts: pl.Series, pattern: str = WORD) -> pl.Series:
    """Return the words of each lower-case text, in order, as a list."""
    return texts.str.extract_all(pattern).fill_null([])


def read_words(texts: pl.Series, pattern: str = WORD) -> Words:
    """Hash the words of every lower-case text: those that `split_words` returns, in its order."""
    whole = pl.Series("text", texts).fill_null("")
    foreign = as_array(whole.str.len_bytes() != whole.str.len_chars())
    if foreign.any():  # Letters are told from other signs by the expression, words stay apart.
        spelt = split_words(whole.filter(foreign), pattern).list.join(" ")
        whole = whole.scatter(np.flatnonzero(foreign), spelt)
    written, starts = _read_bytes(whole)
    hashes, firsts = [np.empty(0, np.uint64)], [np.zeros(1, np.int64)]
    count = 0
    for start in range(0, len(texts), TEXTS_AT_A_TIME):
        within = starts[start : start + TEXTS_AT_A_TIME + 1]
        found, first = _hash_within(written, within, pattern)
        count += len(found)
        hashes.append(found)
        firsts.append(first + count - len(found))
    return Words(np.concatenate(hashes), np.concatenate([*firsts[1:], [count]]))


def hash_words(lists: pl.Series) -> Words:
    """Hash words that are lists already, such as the tokens of a program."""
    flat = lists.explode(empty_as_null=False)
    return Words(as_array(flat.hash(seed=0)), start_at(as_array(lists.list.len())))


def hash_runs(words: Words, size: int) -> Runs:
    """Hash every run of `size` words; a text shorter than that has none."""
    hashes = hash_windows(words.hashes, size)
    positions = np.flatnonzero(_is_whole(words, size))
    owners = words.owners[positions]
    return Runs(hashes[positions], owners, positions - words.starts[owners])


def find_runs(words: Words, size: int, sieve: NDArray[np.bool_], bits: int) -> Runs:
    """Return the runs whose hash begins with bits that the sieve has, without looking at the rest.

    Of a pool of prompts nearly all runs are in no benchmark.
    """
    hashes = hash_windows(words.hashes, size)
    positions = np.flatnonzero(sieve[hashes >> np.uint64(64 - bits)])
    owners = np.searchsorted(words.starts, positions, side="right") - 1
    whole = positions + size <= words.starts[owners + 1]
    positions, owners = positions[whole], owners[whole]
    return Runs(hashes[positions], owners, positions - words.starts[owners])


def hash_windows(hashes: Hashes, size: int) -> Hashes:
    """Hash each run of `size` words in a row, wherever texts begin and end.

    A run of 13 is one of 1, one of 4 and one of 8, and each of those two of half its size.
    """
    count = max(len(hashes) - size + 1, 0)
    windows = np.zeros(count, np.uint64)
    part, width, taken = hashes, 1, 0
    while count and taken < size:
        if size & width:
            windows += part[taken : taken + count] * _factor(taken)
            taken += width
        if taken < size:
            part = part[:-width] + part[width:] * _factor(width)
            width *= 2
    return windows


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


def _is_whole(words: Words, size: int) -> Flags:
    """Tell which places begin a run that ends in the same text."""
    count = max(len(words.hashes) - size + 1, 0)
    whole = np.ones(count, np.bool_)
    for back in range(1, size):
        last = words.starts[1:] - back
        whole[last[(last >= words.starts[:-1]) & (last < count)]] = False
    return whole


def _read_bytes(texts: pl.Series) -> tuple[Bytes, Places]:
    """Return the bytes of all texts, eight zeros after them, and where each text starts."""
    arrow = texts.to_arrow(compat_level=pl.CompatLevel.oldest())  # one buffer and 64-bit offsets
    _, offsets, data = arrow.buffers()
    if data is None:
        return np.zeros(8, np.uint8), np.zeros(len(texts) + 1, np.int64)
    starts = np.frombuffer(offsets, np.int64)[arrow.offset : arrow.offset + len(texts) + 1]
    size = int(starts[-1] - starts[0])
    written = np.zeros(size + 8, np.uint8)
    written[:size] = np.frombuffer(data, np.uint8)[starts[0] : starts[-1]]
    return written, starts - starts[0]


def _hash_within(written: Bytes, starts: Places, pattern: str) -> tuple[Hashes, Places]:
    """Hash the words of these texts; return too how many words are before each text."""
    begins, lengths = _find_words(written, starts, pattern)
    # Eight bytes from every place on as one number: the arithmetic is of words, not of letters.
    eights = np.ndarray(len(written) - 7, "<u8", written, strides=(1,))
    hashes = eights[begins] & _BYTES_OF[np.minimum(lengths, 8)]
    hashes ^= lengths.astype(np.uint64) * _LENGTH_FACTOR
    _mix(hashes)
    done, longer = 8, np.flatnonzero(lengths > 8)
    while len(longer):
        rest = eights[begins[longer] + done] & _BYTES_OF[np.minimum(lengths[longer] - done, 8)]
        rest ^= hashes[longer]
        _mix(rest)
        hashes[longer] = rest
        done += 8
        longer = longer[lengths[longer] > done]
    return hashes, np.searchsorted(begins, starts[:-1])


def _find_words(written: Bytes, starts: Places, pattern: str) -> tuple[Places, Places]:
    """Return where the words of these texts begin, and their lengths in bytes."""
    first, last = starts[0], starts[-1]
    if first == last:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    inside = _is_inside(written[first:last], pattern)
    begins, ends = np.empty(last - first + 1, np.bool_), np.empty(last - first + 1, np.bool_)
    begins[0], ends[0], begins[-1], ends[-1] = inside[0], False, False, inside[-1]
    np.greater(inside[1:], inside[:-1], out=begins[1:-1])
    np.greater(inside[:-1], inside[1:], out=ends[1:-1])
    between = starts[1:-1] - first
    between = between[(between > 0) & (between < last - first)]
    touching = between[inside[between] & inside[between - 1]]  # the last word of a text, the first
    begins[touching] = ends[touching] = True
    places = np.flatnonzero(begins)
    return places + first, np.flatnonzero(ends) - places


def _is_inside(written: Bytes, pattern: str) -> Flags:
    """Tell which bytes belong to a word: all that are not ASCII, for such texts come as words."""
    if pattern == SPACED:
        inside: Flags = written > 32
        inside |= (written < 9) | ((written > 13) & (written < 32))
        return inside
    inside = (written - np.uint8(ord("a"))) < 26
    inside |= (written - np.uint8(ord("0"))) < 10
    inside |= written > 127
    return inside


def _mix(hashes: Hashes) -> None:
    """Spread every bit over all, in place."""
    hashes *= _FIRST_MIX
    hashes ^= hashes >> np.uint64(32)
    hashes *= _SECOND_MIX
    hashes ^= hashes >> np.uint64(29)


def _factor(step: int) -> np.uint64:
    return np.uint64(pow(_MULTIPLIER, step, 2**64) & _ALL_BITS)
