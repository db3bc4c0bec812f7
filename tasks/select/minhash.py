"""MinHash: 112 bytes that tell how many of their 5-word runs two texts share (Broder, 1997).

    prompt_id  numbers    signature
    7c1e…      9120…      b'\\x1f\\xa0…'   14 bands of 8 bytes, a byte a permutation

A permutation is a linear map of 32-bit hashes; of each minimum 8 bits are kept, mixed. Two texts
that share a share s of their runs agree in a byte with probability s + (1 - s) / 256, so a band of
8 is equal with probability s⁸ to within 1 %, and one of 14 with 1 - (1 - s⁸)¹⁴.
"""

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from tasks.identity import content_id
from tasks.number_words import SCALES, TENS, UNMISTAKABLE
from tasks.recipe import DuplicateSettings
from tasks.select.words import (
    UNSPACED,
    Words,
    find_capitals,
    hash_runs,
    hash_short,
    leave_out_emphasis,
    read_words,
    split_words,
)

RUN = 5  # words in a row, as FineWeb has it (arXiv 2406.17557)
CHANCE = 1 / 256  # two bytes agree by chance
_VERSION = 4
_SEED = 14 * 8
_MIX = np.uint32(0x2C1B3C6D)
_RUNS_AT_A_TIME = 64_000  # as many numbers as the processor's cache holds
Signatures = NDArray[np.uint8]
_OTHER_WORDS = (
    "billion half once twice double thrice triple quarter first second third fourth fifth sixth "
    "seventh eighth ninth tenth eleventh twelfth hundredth thousandth"
)
_NUMBER_WORDS = "|".join((*UNMISTAKABLE, *TENS, *SCALES, *_OTHER_WORDS.split()))
_NUMBER = r"\d+(?:[.,]\d+)*"
_NUMERALS = "[零〇一二两兩三四五六七八九十百千万萬亿億半]"
_NUMBERS = rf"{_NUMBER}|\b(?:{_NUMBER_WORDS})\b|{_NUMERALS}"
_FORMULA = r"[+*/^=<>×÷√\\|]|\d\s*[-−!]|[-−]\s*\d"
# A letter by itself is a variable; a character beside another script's is the end of a word.
_FORMULA_SIGNS = rf"{_NUMBERS}|\b[\p{{L}}--[{UNSPACED}]]\b|[^\p{{L}}\p{{N}}\s.,;:?。、\"“”]"


def name_signature(settings: DuplicateSettings) -> str:
    """Name all that a signature depends on; polars promises its hashes within a version only."""
    return content_id(
        "minhash", _VERSION, RUN, settings.bands, settings.rows, settings.numbers, pl.__version__
    )[:12]


def sign_prompts(
    prompts: pl.DataFrame, texts: pl.Series, settings: DuplicateSettings
) -> pl.DataFrame:
    """Return prompt_id, numbers and signature of the prompts that have a word.

    `texts` are their lower-case texts, options at the end. `numbers` is a hash of what must be the
    same in duplicates: the numbers in their order, in formulas every sign, capitals in code, and
    whether there are options. Where the recipe says that numbers make no difference it only tells
    of the options.
    """
    wording = texts if settings.numbers == "distinct" else _mask_numbers(split_words(texts))
    signatures, signed = sign(read_words(wording), settings.bands * settings.rows)
    guards = guard_numbers(prompts, texts, numbers=settings.numbers == "distinct")
    return pl.DataFrame(
        {
            "prompt_id": prompts["prompt_id"],
            "numbers": guards,
            "signature": as_binary(signatures),
        }
    ).filter(pl.Series(signed))


def sign(words: Words, permutations: int) -> tuple[Signatures, NDArray[np.bool_]]:
    """Return a row of bytes a text, and which texts have words; the others' rows are zero."""
    texts = len(words.starts) - 1
    signatures = np.zeros((texts, permutations), np.uint8)
    for runs in (hash_runs(words, RUN), hash_short(words, RUN)):
        if len(runs.hashes) == 0:
            continue
        starts = np.flatnonzero(np.diff(runs.owners, prepend=-1))
        owners = runs.owners[starts]
        signatures[owners] = _minima(
            (runs.hashes >> np.uint64(32)).astype(np.uint32), starts, permutations
        )
    return signatures, words.lengths > 0


def as_binary(signatures: Signatures) -> pl.Series:
    """Return the rows of a matrix as binary values."""
    rows, width = signatures.shape
    fixed = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(width), rows, [None, pa.py_buffer(np.ascontiguousarray(signatures))]
    )
    return pl.Series("signature", fixed, dtype=pl.Binary)


def as_signatures(values: pl.Series, permutations: int) -> Signatures:
    """Return equally long binary values as the rows of a matrix."""
    arrow = values.to_arrow(compat_level=pl.CompatLevel.oldest())
    _, offsets, data = arrow.buffers()
    if data is None or len(values) == 0:
        return np.empty((0, permutations), np.uint8)
    first = int(np.frombuffer(offsets, np.int64)[arrow.offset])
    whole = np.frombuffer(data, np.uint8)[first : first + len(values) * permutations]
    return whole.reshape(-1, permutations)


def guard_numbers(prompts: pl.DataFrame, texts: pl.Series, *, numbers: bool) -> pl.Series:
    """Return a hash of what two duplicates must have in common beside their words.

    `texts` are what is compared of the prompts' text and choices.
    """
    options = pl.col("choices").list.len().fill_null(0) > 0
    if not numbers:
        return prompts.select(options.cast(pl.UInt64).alias("guard"))["guard"]
    same = prompts.select(
        _find_signs(texts).alias("text"),
        options.alias("options"),
        find_capitals(prompts["text"]).alias("capitals"),
    )
    return same.select(pl.struct(pl.all()).hash(seed=0).alias("guard"))["guard"]


def _find_signs(texts: pl.Series) -> pl.Series:
    """Return what must be the same: of a text with a formula all signs, of others the numbers."""
    formula = pl.col("text").str.contains(_FORMULA)
    # An expression looks at every text that is no null, whichever branch it is in.
    texts = pl.DataFrame({"text": texts}).select(leave_out_emphasis(pl.col("text")))["text"]
    found = pl.coalesce(
        pl.when(formula).then(pl.col("text")).str.extract_all(_FORMULA_SIGNS),
        pl.when(~formula).then(pl.col("text")).str.extract_all(_NUMBERS),
    )
    signs = found.list.join(" ").str.replace_all(r"(\d),(\d{3})", "${1}${2}")
    return pl.DataFrame({"text": texts}).select(signs)["text"]


def estimate_similarity(one: Signatures, other: Signatures) -> NDArray[np.float64]:
    """Return the estimated Jaccard similarity of each row of one with the same row of the other.

    With 112 permutations its standard error is at most 0.048.
    """
    agreed: NDArray[np.float64] = (one == other).mean(axis=1)
    return np.maximum((agreed - CHANCE) / (1 - CHANCE), 0.0)


def expect_recall(similarity: float, bands: int = 14, rows: int = 8) -> float:
    """Return the probability that two texts of this similarity share a band.

    >>> round(expect_recall(0.75), 2)
    0.77
    """
    return float(1 - (1 - similarity**rows) ** bands)


def _minima(hashes: NDArray[np.uint32], starts: NDArray[np.int64], permutations: int) -> Signatures:
    """Return a row of bytes for each stretch of hashes that starts at one of `starts`.

    Stretches of about the same length stand side by side in a table, the shorter ones filled up
    with their last run, so that a minimum is one of long rows and not of each text's few runs.
    """
    draw = np.random.Generator(np.random.PCG64(_SEED))
    factors, terms = draw.integers(0, 2**32, size=(2, permutations), dtype=np.uint32)
    factors |= np.uint32(1)
    lengths = np.diff(starts, append=len(hashes))
    order = np.argsort(lengths, kind="stable")
    signatures = np.empty((len(starts), permutations), np.uint8)
    begin = 0
    while begin < len(order):
        most = max(1, _RUNS_AT_A_TIME // int(lengths[order[begin]]))
        texts = order[begin : begin + most]
        begin += most
        steps = np.arange(int(lengths[texts[-1]]))[:, None]
        runs = hashes[starts[texts] + np.minimum(steps, lengths[texts] - 1)]
        mapped = np.empty_like(runs)
        minima = np.empty((permutations, len(texts)), np.uint32)
        for number, (factor, term) in enumerate(zip(factors, terms, strict=True)):
            np.multiply(runs, factor, out=mapped)
            mapped += term
            np.minimum.reduce(mapped, axis=0, out=minima[number])
        minima ^= minima >> np.uint32(15)
        minima *= _MIX
        signatures[texts] = (minima >> np.uint32(24)).T
    return signatures


def _mask_numbers(lists: pl.Series) -> pl.Series:
    word = pl.element()
    masked = pl.when(word.str.contains(r"^\d")).then(pl.lit("0")).otherwise(word)
    return lists.list.eval(masked).list.join(" ")
