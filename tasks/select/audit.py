"""Audit: how many planted items each method finds, and how many clean prompts it calls planted.

    benchmark   disguise  method   planted  found  recall  own
    gsm8k-test  reworded  similar  200      197    0.985   0.985

`own` counts only what was found for the very item that was planted.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import polars as pl

from tasks.identity import content_id
from tasks.recipe import ContaminationSettings, LexicalMethod
from tasks.select.chunks import map_chunks
from tasks.select.plants import DISGUISES, disguise_items
from tasks.select.screen import Screen, bound_scores, build_screen, screen_texts

METHODS: Sequence[LexicalMethod] = get_args(LexicalMethod)
POLICY = "policy"  # any of the methods that the recipe drops by
ROWS_AT_A_TIME = 5_000
_VERSION = 1
_ORDER = [*DISGUISES]


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found of what was planted, and what was found where nothing was planted."""

    recall: pl.DataFrame  # benchmark, disguise, method, planted, found, own
    alarms: pl.DataFrame  # method, prompts, flagged, share


def audit_methods(
    items: pl.DataFrame,
    pool: pl.DataFrame,
    settings: ContaminationSettings,
    per_benchmark: int,
    seed: int = 0,
) -> Audit:
    """Plant up to so many items of each benchmark in every disguise and count what is found.

    `pool` (prompt_id, text, choices) is the project's own prompts; those that quote an item (a
    shared 13-gram, or the item itself) are contaminated, not false alarms, and are left out.
    """
    every = settings.model_copy(update={"drop": tuple(METHODS), "report": ()})
    screen = build_screen(items, every)
    chosen = _choose(items, per_benchmark, seed)
    plants = (
        disguise_items(chosen, seed)
        .with_row_index("plant")
        .with_columns(pl.col("plant").cast(pl.String).alias("text_id"))
    )
    hits = _mark_policy(_screen_all(screen, plants, every), settings)
    found = _screen_all(screen, pool.rename({"prompt_id": "text_id"}), every)
    quoting = found.filter(pl.col("method").is_in(["13-gram", "exact"]))["text_id"].unique()
    clean = pool.height - quoting.len()
    alarms = _mark_policy(found.filter(~pl.col("text_id").is_in(quoting.implode())), settings)
    return Audit(_count_recall(plants, hits), _count_alarms(alarms, clean))


def name_audit(settings: ContaminationSettings, items: pl.DataFrame) -> str:
    """Name all that an audit's figures depend on, but for what was drawn to be planted."""
    return content_id(
        "audit",
        _VERSION,
        settings.model_dump(mode="json", exclude={"embedding"}),
        sorted(items["item_id"]),
    )[:12]


def as_rows(done: Audit, name: str) -> pl.DataFrame:
    """Return the figures as rows of `audits`."""
    recall = done.recall.select(
        "benchmark", pl.col("disguise", "method").cast(pl.String), texts="planted", found="found"
    )
    alarms = done.alarms.select(
        benchmark=pl.lit(None, dtype=pl.String),
        disguise=pl.lit(None, dtype=pl.String),
        method="method",
        texts="prompts",
        found="flagged",
    )
    counts = pl.col("texts", "found").cast(pl.Int64)
    every = pl.concat([recall.with_columns(counts), alarms.with_columns(counts)])
    return every.with_columns(pl.lit(name).alias("audit"))


def _choose(items: pl.DataFrame, most: int, seed: int) -> pl.DataFrame:
    chosen = []
    for (_,), own in items.sort("item_id").group_by("benchmark", maintain_order=True):
        rows = random.Random(seed).sample(range(own.height), min(most, own.height))
        chosen.append(own[sorted(rows)])
    return pl.concat([items.clear(), *chosen])


def _screen_all(
    screen: Screen, rows: pl.DataFrame, settings: ContaminationSettings
) -> pl.DataFrame:
    """Return the hits that would count, whatever the recipe does with them."""
    bounds = bound_scores(settings)
    found = map_chunks(lambda part: screen_texts(screen, part), rows.iter_slices(ROWS_AT_A_TIME))
    every = pl.concat([screen_texts(screen, rows.clear()), *found])
    bound = pl.col("method").replace_strict(bounds, return_dtype=pl.Float64)
    return every.filter(pl.col("score") >= bound).select("text_id", "item_id", "method")


def _mark_policy(hits: pl.DataFrame, settings: ContaminationSettings) -> pl.DataFrame:
    dropped = hits.filter(pl.col("method").is_in(list(settings.drop)))
    return pl.concat([hits, dropped.with_columns(pl.lit(POLICY).alias("method"))])


def _count_recall(plants: pl.DataFrame, hits: pl.DataFrame) -> pl.DataFrame:
    kinds = ["benchmark", "disguise"]
    methods = pl.DataFrame({"method": [*METHODS, POLICY]})
    planted = plants.group_by(kinds).agg(pl.len().alias("planted")).join(methods, how="cross")
    of_plants = hits.join(
        plants.select("text_id", *kinds, pl.col("item_id").alias("source")), on="text_id"
    )
    own = pl.col("text_id").filter(pl.col("item_id") == pl.col("source")).n_unique().alias("own")
    found = of_plants.group_by([*kinds, "method"]).agg(
        pl.col("text_id").n_unique().alias("found"), own
    )
    order = pl.col("disguise").cast(pl.Enum(_ORDER)), pl.col("method").cast(_METHOD_ORDER)
    return (
        planted.join(found, on=[*kinds, "method"], how="left")
        .with_columns(pl.col("found", "own").fill_null(0))
        .with_columns((pl.col("found") / pl.col("planted")).round(4).alias("recall"))
        .with_columns(*order)
        .sort("benchmark", "disguise", "method")
    )


def _count_alarms(hits: pl.DataFrame, prompts: int) -> pl.DataFrame:
    flagged = hits.group_by("method").agg(pl.col("text_id").n_unique().alias("flagged"))
    return (
        pl.DataFrame({"method": [*METHODS, POLICY]})
        .join(flagged, on="method", how="left", maintain_order="left")
        .with_columns(pl.col("flagged").fill_null(0), pl.lit(prompts).alias("prompts"))
        .with_columns((pl.col("flagged") / max(1, prompts)).round(4).alias("share"))
    )


_METHOD_ORDER = pl.Enum([*METHODS, POLICY])
