"""Code: a benchmark's program under other names, with other comments and in another style.

    text  item  score
    0     7     1.31      0.72 of words and 0.59 of structure

    def flip_case(s):             words      def flip case s return swapcas
        return s.swapcase()       structure  def v v return v v, in runs of 2, 3 and 4

Each part is a cosine whose weights come from the items alone, as in `similarity`: `words` of the
stems of everything that is written, identifiers taken apart, `structure` of runs of tokens without
comments and strings, in which every name that is no keyword is the same.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array, hstack

from tasks.select.similarity import FEWEST_STEMS, Matrix, Vocabulary, learn, weigh
from tasks.select.stems import find_stems
from tasks.select.words import as_array, hash_runs, hash_words

RUNS = (2, 3, 4)
FEWEST_RUNS = 12  # different ones; what is shorter is a formula or a line that many would write
TEXTS_AT_A_TIME = 1_000
_CODE = (
    r"(?m)\bdef\s+\w+\s*\(|\bfunction\b\s*\w*\s*\(|=>\s*\{|^\s*#include\b|^\s*import\s+\w+|\blambda\b"
    r"|\breturn\b[^.\n]*;|^\s*(?:for|while|if)\s*\(.*\)\s*\{|\b\w+\s+\w+\([^)]*\)\s*\{"
)
_PYTHON = r"(?m)^\s*(?:def\s+\w+\s*\(|import\s+\w|from\s+\w+\s+import\b)"
_STRINGS = r'"(?:\\.|[^"\\\n])*"|' + r"'(?:\\.|[^'\\\n])*'"
_TOKENS = r"\d+(?:\.\d+)?|[\p{L}_][\p{L}\p{N}_]*|[^\s\p{L}\p{N}_]"
_OF_PYTHON = r'(?s:""".*?"""|' + rf"'''.*?''')|#[^\n]*|{_STRINGS}|{_TOKENS}"
_OF_OTHERS = rf"//[^\n]*|(?s:/\*.*?\*/)|^\s*#[^\n]*|{_STRINGS}|{_TOKENS}"
_FENCE = r"```[^\n]*"
_FENCED = r"(?s)```[^\n]*\n.*?```"
_DROPPED = r"""^(?:"{3}|'{3}|#.|//|/\*|[.,:;()]$)"""  # comments, and marks that style alone decides
_KEYWORDS = (
    "and as assert async await bool break case char class const continue def default del do "
    "double elif else enum except false finally float for from function global if import in "
    "int is lambda let long new none not null or pass raise return self static str string "
    "struct switch this throw true try typeof undefined unsigned var void while with yield "
    "abs all any append dict enumerate filter join len length list map max min ord pop print "
    "push range replace reverse reversed round set slice sort sorted split sum tuple zip"
)
_NO_MATCHES = pl.DataFrame(schema={"text": pl.Int64, "item": pl.Int64, "score": pl.Float64})


@dataclass(frozen=True, slots=True)
class CodeIndex:
    """The items that hold code, their features transposed."""

    words: Vocabulary
    structure: Vocabulary
    features: Matrix  # words above structure, a column an item
    items: NDArray[np.int64]


def find_code(texts: pl.Series) -> NDArray[np.int64]:
    """Return which texts hold code."""
    return np.flatnonzero(as_array(texts.str.contains(_CODE).fill_null(False)))


def index_items(texts: pl.Series) -> CodeIndex:
    """Index the items that hold code."""
    chosen = find_code(texts)
    stems, runs = _find_features(texts.gather(chosen))
    words, structure = learn(stems, len(chosen)), learn(runs, len(chosen))
    features = _describe(stems, runs, len(chosen), words, structure)
    return CodeIndex(words, structure, csr_array(features.T), chosen)


def match_code(index: CodeIndex, texts: pl.Series, at_least: float, most: int) -> pl.DataFrame:
    """Return text, item and score of every pair that scores enough, of a text's items the best."""
    chosen = find_code(texts) if len(index.items) else np.empty(0, np.int64)
    found = [_NO_MATCHES]
    for start in range(0, len(chosen), TEXTS_AT_A_TIME):
        part = chosen[start : start + TEXTS_AT_A_TIME]
        features = _describe(
            *_find_features(texts.gather(part)), len(part), index.words, index.structure
        )
        near = csr_array(features @ index.features)
        rows = np.repeat(np.arange(len(part)), np.diff(near.indptr))
        enough = near.data >= at_least
        found.append(
            pl.DataFrame(
                {
                    "text": part[rows[enough]],
                    "item": index.items[near.indices[enough]],
                    "score": near.data[enough],
                },
                schema=_NO_MATCHES.schema,
            )
        )
    return (
        pl.concat(found)
        .sort(["text", "score", "item"], descending=[False, True, False])
        .group_by("text", maintain_order=True)
        .head(most)
    )


def split_tokens(texts: pl.Series) -> pl.Series:
    """Return the normalised tokens of each text's code: names are `v`, strings `s`, numbers `0`.

    A number of one digit stays, for 0, 1 and 2 say what is done.
    """
    frame = pl.DataFrame({"text": texts}).with_row_index("row")
    fenced = pl.col("text").str.extract_all(_FENCED).list.join("\n").str.replace_all(_FENCE, "")
    code = pl.when(pl.col("text").str.contains(_FENCED)).then(fenced).otherwise(pl.col("text"))
    tokens = (
        pl.when(pl.col("text").str.contains(_PYTHON))
        .then(code.str.extract_all(_OF_PYTHON))
        .otherwise(code.str.extract_all(_OF_OTHERS))
    )
    token = pl.col("token")
    normal = (
        pl.when(token.str.contains(r"^[\p{L}_]"))
        .then(
            pl.when(token.str.to_lowercase().is_in(_KEYWORDS.split()))
            .then(token)
            .otherwise(pl.lit("v"))
        )
        .when(token.str.contains(r"""^["']"""))
        .then(pl.lit("s"))
        .when(token.str.contains(r"^\d."))
        .then(pl.lit("0"))
        .otherwise(token)
    )
    flat = (
        frame.select("row", tokens.alias("token"))
        .explode("token")
        .filter(~token.str.contains(_DROPPED))
    )
    kept = flat.select("row", normal.alias("token")).group_by("row").agg("token")
    return (
        frame.select("row")
        .join(kept, on="row", how="left", maintain_order="left")["token"]
        .fill_null([])
    )


def _find_features(texts: pl.Series) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return text and key of the stems, and of the runs of tokens, of every text."""
    apart = texts.str.replace_all(r"(\p{Ll})(\p{Lu})", "${1} ${2}").str.to_lowercase()
    words = hash_words(split_tokens(texts))
    runs = [hash_runs(words, size) for size in RUNS]
    keys = [
        pl.DataFrame({"text": each.owners, "key": each.hashes ^ np.uint64(size)})
        for size, each in zip(RUNS, runs, strict=True)
    ]
    return find_stems(apart), pl.concat(keys).unique()


def _describe(
    stems: pl.DataFrame, runs: pl.DataFrame, texts: int, words: Vocabulary, structure: Vocabulary
) -> Matrix:
    parts = []
    for found, vocabulary, fewest in ((stems, words, FEWEST_STEMS), (runs, structure, FEWEST_RUNS)):
        rows, squares, keys = weigh(found, texts, vocabulary, squared=True)
        lengths = np.sqrt(np.maximum(squares, 1e-12))
        lengths[keys < fewest] = np.inf
        rows.data /= np.repeat(lengths, np.diff(rows.indptr))
        parts.append(rows)
    return hstack(parts, format="csr")
