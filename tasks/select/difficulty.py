"""Difficulty: what is too easy or too hard, and what of it may stay as an anchor.

pass_rate  reference_rate  anchor          reason
0.375      1.0             null            null
0.0        0.9             certified_hard  null      (where hard_share is above 0)
0.0        0.3             null            too_hard
"""

from typing import Literal

import polars as pl

from tasks.recipe import SelectSettings
from tasks.select.dropping import drop

CERTIFIED_HARD, EASY_ANCHOR = "certified_hard", "easy_anchor"
MEANT_EASIER = frozenset({"decompose"})
CERTAIN_RATE = 0.75  # of the reference, from which a prompt that the student never solves is sound
CERTAIN_SAMPLES = 3


def drop_easier(prompts: pl.DataFrame, settings: SelectSettings) -> pl.DataFrame:
    """Drop rewrites that the student solves far more often than what they were made of.

    Both have to be measured; a step of a problem is meant to be easier than its whole.
    """
    decided = pl.col("correct") + pl.col("wrong") >= settings.min_samples
    parents = prompts.filter(decided, pl.col("pass_rate").is_not_null()).select(
        pl.col("prompt_id").alias("parent_id"), pl.col("pass_rate").alias("parent_rate")
    )
    meant = pl.col("strategy").fill_null("").is_in(sorted(MEANT_EASIER))
    return prompts.join(parents, on="parent_id", how="left", maintain_order="left").pipe(
        drop,
        ~meant & (pl.col("pass_rate") - pl.col("parent_rate") > settings.max_easier),
        "select",
        "easier_than_parent",
        pl.format(
            f"pass rate {{}}, that of its parent is {{}}; {settings.max_easier:g} more are allowed",
            pl.col("pass_rate").round(3),
            pl.col("parent_rate").round(3),
        ),
    )


def drop_outside_band(prompts: pl.DataFrame, settings: SelectSettings) -> pl.DataFrame:
    """Drop what is too easy or too hard, but for what may be an anchor of its domain."""
    low, high = _edge_of(settings, "low"), _edge_of(settings, "high")
    rate = pl.col("pass_rate")
    undecided = pl.col("reason").is_null() & ~pl.col("frozen")
    certain = (pl.col("reference_rate") >= CERTAIN_RATE) & (
        pl.col("reference_decided") >= CERTAIN_SAMPLES
    )
    hard = undecided & (rate < low) & certain.fill_null(False) & (settings.hard_share > 0)
    easy = undecided & (rate > high) & (settings.easy_share > 0)
    shown = rate.round(3)
    return (
        prompts.with_columns(
            anchor=pl.when(hard)
            .then(pl.lit(CERTIFIED_HARD))
            .when(easy)
            .then(pl.lit(EASY_ANCHOR))
            .otherwise("anchor")
        )
        .pipe(
            drop,
            (rate > high) & pl.col("anchor").is_null(),
            "select",
            "too_easy",
            pl.format("pass rate {} is above {} ({})", shown, high, "domain"),
        )
        .pipe(
            drop,
            (rate < low) & pl.col("anchor").is_null(),
            "select",
            "too_hard",
            pl.format("pass rate {} is below {} ({})", shown, low, "domain"),
        )
    )


def drop_uncertain(prompts: pl.DataFrame, settings: SelectSettings) -> pl.DataFrame:
    """Drop what may well lie outside the band though its rate is inside.

    What has no rate, because a rubric is its key, has no band either.
    """
    if not settings.min_in_band:
        return prompts
    likely = pl.when(pl.col("pass_rate").is_not_null()).then(pl.col("in_band").fill_null(0.0))
    return prompts.pipe(
        drop,
        (likely < settings.min_in_band) & pl.col("anchor").is_null(),
        "select",
        "uncertain",
        pl.format(
            f"in the band with probability {{}}, {settings.min_in_band:g} is asked for",
            likely.round(3),
        ),
    )


def _edge_of(settings: SelectSettings, edge: Literal["low", "high"]) -> pl.Expr:
    """Return the edge of a prompt's band: its domain's own, or the one of all."""
    default: float = getattr(settings.band, edge)
    own = {name: getattr(band, edge) for name, band in settings.domains.items()}
    if not own:
        return pl.lit(default)
    return pl.col("domain").replace_strict(own, default=default, return_dtype=pl.Float64)
