"""Screen: texts compared with benchmark items by every method that a recipe asks for.

    text_id  item_id  benchmark   method   score  span
    5d20…    a11f…    gsm8k-test  13-gram  31.0   janet s ducks lay 16 eggs per day she …
    77b3…    a11f…    gsm8k-test  similar  1.12   janet ducks 16 eggs breakfast muffins farmers 2

n-grams find copies and quotations, `similar` what was reworded, `code` programs under other names;
docs/overlap.md says what none of them finds.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from tasks.identity import content_id
from tasks.recipe import ContaminationSettings
from tasks.select import code, grams, similarity
from tasks.select.duplicates import loosen, loosen_choices
from tasks.select.stems import STOP_WORDS
from tasks.select.words import (
    WORD,
    Hashes,
    Places,
    Words,
    as_array,
    close_up,
    fold_texts,
    hash_runs,
    join_choices,
    read_words,
    split_words,
)

EXACT, SIMILAR, CODE, EMBEDDING = "exact", "similar", "code", "embedding"
EXACT_BELOW = 13  # words; what is longer has 13-grams
SPAN_CHARACTERS = 400
ITEMS_PER_TEXT = 20  # boiler-plate shared with hundreds of items needs no hundreds of rows
BOTH_ORDERS = 1.0  # embedding: the share of the judge's two words that say that it is the item
RECORDED_BELOW = 0.05  # similarity, code: how far below the threshold a hit is still recorded
_VERSION = 4
_EVIDENCE = {
    "text_id": pl.String,
    "item_id": pl.String,
    "benchmark": pl.String,
    "method": pl.String,
    "score": pl.Float64,
    "span": pl.String,
}


@dataclass(frozen=True, slots=True)
class Screen:
    """Benchmark items, indexed for the methods that are wanted."""

    items: pl.DataFrame  # item_id, benchmark, text, choices
    lists: pl.Series  # words of the items
    gram_indexes: tuple[grams.GramIndex, ...]
    similar: similarity.SimilarityIndex | None
    code: code.CodeIndex | None
    forms: pl.DataFrame | None  # item, form and options, if the items themselves are looked for
    more_than: Mapping[str, float]  # the score above which a hit is recorded, by method


def name_screen(settings: ContaminationSettings, items: pl.DataFrame) -> str:
    """Name all that the result of a comparison depends on, but for the text."""
    methods = sorted(settings.methods - {EMBEDDING})
    measures = settings.model_dump(mode="json", exclude={"drop", "report", "embedding"})
    return content_id("screen", _VERSION, methods, measures, sorted(items["item_id"]))[:12]


def bound_scores(settings: ContaminationSettings) -> dict[str, float]:
    """Return the score from which a hit is set aside, by method."""
    return {
        EXACT: 1.0,
        "13-gram": 1.0,
        "7-gram": settings.contaminated_ratio,
        "tulu": settings.covered,
        "s1": 1.0,
        SIMILAR: settings.similarity,
        CODE: settings.code_similarity,
        EMBEDDING: BOTH_ORDERS,
    }


def build_screen(items: pl.DataFrame, settings: ContaminationSettings) -> Screen:
    """Index items (item_id, benchmark, text, choices) for the methods of the settings."""
    wanted = settings.methods
    texts = join_choices(items)
    indexes = []
    for rule in grams.RULES:
        if rule.method not in wanted:
            continue
        words = read_words(texts, rule.pattern)
        allowed = _allow(rule, words, items["benchmark"], settings)
        indexes.append(grams.index_items(rule, words, allowed))
    return Screen(
        items=items,
        lists=split_words(texts),
        gram_indexes=tuple(indexes),
        similar=similarity.index_items(texts) if SIMILAR in wanted else None,
        code=code.index_items(fold_texts(items["text"])) if CODE in wanted else None,
        forms=_find_forms(items, "item") if EXACT in wanted else None,
        more_than={
            "13-gram": 0.0,
            "7-gram": settings.partial_ratio,
            "tulu": settings.covered,
            "s1": 0.0,
            SIMILAR: settings.similarity - RECORDED_BELOW,
            CODE: settings.code_similarity - RECORDED_BELOW,
        },
    )


def screen_texts(screen: Screen, rows: pl.DataFrame, *, quoting_only: bool = False) -> pl.DataFrame:
    """Return evidence on rows of text_id, text and choices, ordered by text, method and score.

    With `quoting_only` n-grams alone are looked for, as is right for a response, which is no
    problem itself but may quote one.
    """
    texts = join_choices(rows)
    words = read_words(texts)
    found = [pl.DataFrame(schema=_EVIDENCE)]
    for index in screen.gram_indexes:
        rule = index.rule
        counted = words if rule.pattern == WORD else read_words(texts, rule.pattern)
        matches = grams.match_grams(index, counted, screen.more_than[rule.method], ITEMS_PER_TEXT)
        found.append(_as_evidence(screen, rows, _quote(matches, texts, rule), rule.method))
    if screen.forms is not None and not quoting_only:
        found.append(_match_exact(screen, screen.forms, rows, words))
    if screen.similar is not None and not quoting_only:
        bound = screen.more_than[SIMILAR]
        matches = similarity.match_similar(screen.similar, texts, bound, ITEMS_PER_TEXT)
        named = _name_shared(matches, texts, screen.lists)
        found.append(_as_evidence(screen, rows, named, SIMILAR))
    if screen.code is not None and not quoting_only:
        matches = code.match_code(
            screen.code, fold_texts(rows["text"]), screen.more_than[CODE], ITEMS_PER_TEXT
        )
        named = _name_shared(matches, texts, screen.lists)
        found.append(_as_evidence(screen, rows, named, CODE))
    return pl.concat(found).sort(
        ["text_id", "method", "score", "item_id"], descending=[False, False, True, False]
    )


def _allow(
    rule: grams.GramRule, words: Words, benchmarks: pl.Series, settings: ContaminationSettings
) -> Hashes:
    """Return the 13-grams that anybody may have; Algorithm 1 knows such a list for them alone."""
    if rule.method != "13-gram":
        return np.empty(0, np.uint64)
    phrases = pl.DataFrame({"text": settings.allowed}, schema={"text": pl.String})
    alone = phrases.with_columns(choices=pl.lit(None, pl.List(pl.String)))
    declared = hash_runs(read_words(join_choices(alone)), rule.size).hashes
    if settings.common_after is None:
        return declared
    common = grams.find_common(words, benchmarks, rule.size, settings.common_after)
    return np.concatenate([declared, common])


def _match_exact(
    screen: Screen, items: pl.DataFrame, rows: pl.DataFrame, words: Words
) -> pl.DataFrame:
    """Return evidence on texts too short for 13 words that are an item, with or without options.

    The options need not agree where one side has none: an open form of a choice is the same item.
    """
    short = _find_short(rows, words)
    forms = _find_forms(rows[short], "text").with_columns(pl.Series("text", short))
    matched = forms.join(items, on="form", suffix="_of_item").filter(
        pl.col("options").is_null()
        | pl.col("options_of_item").is_null()
        | (pl.col("options") == pl.col("options_of_item"))
    )
    best = matched.sort("text", "item").group_by("text", maintain_order=True).head(ITEMS_PER_TEXT)
    hits = best.select("text", "item", pl.lit(1.0).alias("score"), pl.col("form").alias("span"))
    return _as_evidence(screen, rows, hits, EXACT)


def _find_short(rows: pl.DataFrame, words: Words) -> Places:
    """Return which texts have fewer than 13 words of their own, however long their options are."""
    short = words.lengths < EXACT_BELOW
    with_options = np.flatnonzero(~short & as_array(rows["choices"].list.len().fill_null(0) > 0))
    alone = rows[with_options].with_columns(choices=pl.lit(None, rows["choices"].dtype))
    short[with_options] = read_words(join_choices(alone)).lengths < EXACT_BELOW
    return np.flatnonzero(short)


def _find_forms(texts: pl.DataFrame, numbered: str) -> pl.DataFrame:
    """Return forms of texts and of their options, in whichever order these stand."""
    options = pl.col("choices").cast(pl.List(pl.String)).list.sort()
    return texts.select(
        pl.int_range(pl.len()).alias(numbered),
        loosen(pl.col("text")).alias("form"),
        loosen_choices(options).alias("options"),
    )


def _quote(matches: pl.DataFrame, texts: pl.Series, rule: grams.GramRule) -> pl.DataFrame:
    """Add the words of the longest stretch of shared runs."""
    of_text = pl.Series("words", _spell(matches["text"], texts, rule.pattern))
    stretch = pl.col("words").list.slice(pl.col("start"), pl.col("length") + rule.size - 1)
    quoted = close_up(stretch.list.join(" ")).alias("span")
    return matches.with_columns(of_text).with_columns(quoted)


def _spell(matched: pl.Series, texts: pl.Series, pattern: str = WORD) -> pl.Series:
    """Return the words of each of the texts that were matched; of all others nobody asks."""
    different = matched.unique().sort()
    lists = split_words(texts.gather(different), pattern)
    return lists.gather(different.search_sorted(matched))


def _name_shared(matches: pl.DataFrame, texts: pl.Series, item_lists: pl.Series) -> pl.DataFrame:
    """Add the words, fillers left out, that a text has in common with the item, in its order."""
    of_items = pl.Series("of_item", item_lists.gather(matches["item"]))
    common = pl.col("words").list.set_intersection("of_item")
    shared = (
        matches.with_row_index("hit")
        .with_columns(pl.Series("words", _spell(matches["text"], texts)), of_items)
        .select("hit", "words", common.alias("common"))
    )
    in_order = (
        shared.select("hit", "words")
        .explode("words")
        .join(
            shared.select("hit", pl.col("common").alias("words")).explode("words"),
            on=["hit", "words"],
            how="semi",
            maintain_order="left",
        )
        .unique(maintain_order=True)
        .filter(~pl.col("words").is_in(list(STOP_WORDS)))
        .group_by("hit", maintain_order=True)
        .agg(pl.col("words").str.join(" ").alias("span"))
    )
    return matches.with_row_index("hit").join(in_order, on="hit", how="left")


def _as_evidence(
    screen: Screen, rows: pl.DataFrame, hits: pl.DataFrame, method: str
) -> pl.DataFrame:
    return hits.select(
        pl.Series("text_id", rows["text_id"].gather(hits["text"])),
        pl.Series("item_id", screen.items["item_id"].gather(hits["item"])),
        pl.Series("benchmark", screen.items["benchmark"].gather(hits["item"])),
        pl.lit(method).alias("method"),
        pl.col("score").round(4),
        pl.col("span").str.slice(0, SPAN_CHARACTERS),
    )
