"""Contamination: prompts that hold a benchmark's item, by the 13-gram rule of Phi-4.

    prompt_id  item_id  benchmark   method   score  span
    5d20…      a11f…    gsm8k-test  13-gram  31.0   janet s ducks lay 16 eggs per day she …

The rule is Algorithm 1 of arXiv 2412.08905, Appendix B.1, without its list of allowed n-grams. It
finds copies and quotations; it does not find paraphrases.
"""

import polars as pl
from prefect import task

from tasks.recipe import Recipe
from tasks.select.duplicates import loosen, loosen_choices
from tasks.store import Store, open_store

WORDS = 13
GRAM_METHOD = "13-gram"
EXACT_METHOD = "exact"
SPAN_CHARACTERS = 400
ITEMS_PER_PROMPT = 20  # boiler-plate shared with hundreds of items needs no hundreds of rows
ROWS_AT_A_TIME = 20_000
_WORD = r"[\p{L}\p{N}]+"
_MULTIPLIER = 0x9E3779B97F4A7C15  # odd, so that no bit of a word's hash is lost
_HEX_64 = 2**64


def split_words(texts: pl.DataFrame, identity: str) -> pl.DataFrame:
    """Return `identity` and the lower-case alphanumeric words of text and choices, in order."""
    whole = pl.concat_str(
        pl.col("text"), pl.col("choices").list.join(" "), separator=" ", ignore_nulls=True
    )
    return texts.select(identity, whole.str.to_lowercase().str.extract_all(_WORD).alias("words"))


def hash_grams(words: pl.DataFrame, identity: str) -> pl.DataFrame:
    """Return a row for every run of 13 words: `identity`, its position and its 64-bit hash."""
    long = (
        words.filter(pl.col("words").list.len() >= WORDS)
        .with_columns(pl.int_ranges(0, pl.col("words").list.len()).alias("position"))
        .explode("words", "position")
        .with_columns(pl.col("words").hash(seed=0).alias("word"))
    )
    gram = pl.lit(0, dtype=pl.UInt64)
    for step in range(WORDS):
        factor = pl.lit(pow(_MULTIPLIER, step, _HEX_64), dtype=pl.UInt64)
        gram = gram + pl.col("word").shift(-step) * factor
    whole = pl.col(identity) == pl.col(identity).shift(-(WORDS - 1))
    return long.select(identity, "position", gram.alias("gram"), whole.alias("whole")).filter(
        "whole"
    )


def match_grams(prompts: pl.DataFrame, item_grams: pl.DataFrame) -> pl.DataFrame:
    """Return evidence for every prompt that shares 13 words in a row with an item.

    `prompts` has prompt_id, text and choices; `item_grams` item_id, benchmark and gram.
    """
    words = split_words(prompts, "prompt_id")
    shared = hash_grams(words, "prompt_id").join(item_grams, on="gram")
    pair = ["prompt_id", "item_id"]
    order = [*pair, "position"]
    runs = (
        shared.sort(order)
        .with_columns((pl.col("position") - pl.int_range(pl.len()).over(pair)).alias("run"))
        .group_by([*pair, "benchmark", "run"], maintain_order=True)
        .agg(pl.col("position").min().alias("start"), pl.len().alias("length"))
        .sort([*pair, "length", "start"], descending=[False, False, True, False])
        .group_by([*pair, "benchmark"], maintain_order=True)
        .agg(pl.col("start").first(), pl.col("length").first())
    )
    scores = shared.group_by(pair).agg(pl.col("gram").n_unique().cast(pl.Float64).alias("score"))
    span = pl.col("words").list.slice(pl.col("start"), pl.col("length") + WORDS - 1).list.join(" ")
    return (
        runs.join(scores, on=pair)
        .sort(["prompt_id", "score", "item_id"], descending=[False, True, False])
        .group_by("prompt_id", maintain_order=True)
        .head(ITEMS_PER_PROMPT)
        .join(words, on="prompt_id")
        .with_columns(span.alias("span"), pl.lit(GRAM_METHOD).alias("method"))
        .pipe(_as_evidence)
    )


def match_short(prompts: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    """Return evidence for prompts too short for 13 words that are an item, with or without options.

    The options need not agree where one side has none: an open form of a choice is the same item.
    """
    short = split_words(prompts, "prompt_id").filter(pl.col("words").list.len() < WORDS)
    forms = prompts.join(short, on="prompt_id", how="semi").select("prompt_id", *_forms())
    matched = forms.join(
        items.select("item_id", "benchmark", *_forms()), on="form", suffix="_of_item"
    ).filter(
        pl.col("options").is_null()
        | pl.col("options_of_item").is_null()
        | (pl.col("options") == pl.col("options_of_item"))
    )
    return (
        matched.sort("prompt_id", "item_id")
        .group_by("prompt_id", maintain_order=True)
        .head(ITEMS_PER_PROMPT)
        .with_columns(
            pl.lit(EXACT_METHOD).alias("method"),
            pl.lit(1.0).alias("score"),
            pl.col("form").alias("span"),
        )
        .pipe(_as_evidence)
    )


def find_contamination(store: Store, run_id: str) -> int:
    """Compare all prompts with all benchmark items and append new evidence; return how much."""
    items = store.query("select_benchmark_texts")
    if items.is_empty():
        return 0
    benchmarks = items.select("item_id", "benchmark")
    item_grams = (
        hash_grams(split_words(items, "item_id"), "item_id")
        .select("item_id", "gram")
        .unique()
        .join(benchmarks, on="item_id")
    )
    found = []
    for prompts in store.stream("select_prompt_texts", ROWS_AT_A_TIME):
        found += [match_grams(prompts, item_grams), match_short(prompts, items)]
    if not found:
        return 0
    return store.append("contamination", pl.concat(found), run_id=run_id)


@task(task_run_name="find-contamination")
def mark_contamination(recipe: Recipe, run_id: str) -> int:
    """Mark every prompt that holds an item of a benchmark."""
    return find_contamination(open_store(recipe.store), run_id)


def _forms() -> list[pl.Expr]:
    return [
        loosen(pl.col("text")).alias("form"),
        loosen_choices(pl.col("choices")).alias("options"),
    ]


def _as_evidence(matches: pl.DataFrame) -> pl.DataFrame:
    return matches.select(
        "prompt_id",
        "item_id",
        "benchmark",
        "method",
        "score",
        pl.col("span").str.slice(0, SPAN_CHARACTERS),
    )
