"""Teachable: the pictures of how hard prompts are, for whom, and what other policies would keep.

[{"domain": "math", "measured": 327, "kept": 160, "in_band": "161 of 327 …", "chart": <svg …>}, …]
"""

import math
from collections.abc import Mapping
from typing import Any

import polars as pl

from tasks.recipe import PRESETS, Recipe
from tasks.release.report.charts import Bar, Dot, draw_histogram, draw_scatter

MOST_BINS = 16
TENTHS = 10
FORTIETHS = 40  # An eighth, where bands like to end, is a whole number of them.
_NORMAL_95 = 1.96


def difficulty_charts(difficulty: pl.DataFrame, recipe: Recipe) -> list[dict[str, Any]]:
    """Return a histogram of pass rates for each domain, the band shaded.

    With few samples a bar is a count of right answers, 3 of 8; with many it is a tenth.
    """
    bins = bins_of(recipe)
    counted = (
        difficulty.with_columns((pl.col("pass_rate") * bins).round().cast(pl.Int64).alias("bin"))
        .group_by("domain", "bin", "kept")
        .agg(pl.col("prompts").sum())
    )
    numbers = {(domain, place, kept): count for domain, place, kept, count in counted.rows()}
    told = {row["domain"]: row for row in count_in_band(difficulty, recipe)}
    charts = []
    for domain in counted["domain"].unique().sort():
        band = recipe.select.band_of(domain)
        bars = [
            _difficulty_bar(numbers, domain, place, bins, band.low <= place / bins <= band.high)
            for place in range(bins + 1)
        ]
        kept = sum(numbers.get((domain, place, True), 0) for place in range(bins + 1))
        charts.append(
            {
                "domain": domain,
                "kept": kept,
                "measured": sum(bar.total for bar in bars),
                "in_band": say_in_band(told[domain]),
                "chart": draw_histogram(
                    bars,
                    title=f"{domain}: prompts by the student's pass rate",
                    band=(band.low * bins, band.high * bins),
                ),
            }
        )
    return charts


def bins_of(recipe: Recipe) -> int:
    """Return how many steps a histogram of pass rates has: one a sample, if they are few."""
    few = recipe.sample.adaptive is None and recipe.sample.student <= MOST_BINS
    return recipe.sample.student if few else TENTHS


def count_in_band(difficulty: pl.DataFrame, recipe: Recipe) -> list[dict[str, Any]]:
    """Return, a domain, how many prompts show a rate in the band, and how many likely have one.

    A rate from a few samples is uncertain: every prompt is in the band with a probability, their
    sum is how many to expect there, and it is 95 % likely to be within `low` and `high`.
    """
    rows = []
    for (domain,), part in difficulty.group_by("domain"):
        band = recipe.select.band_of(str(domain))
        shown = part.filter(pl.col("pass_rate").is_between(band.low, band.high))
        likely, off = float(part["likely"].sum()), math.sqrt(float(part["doubt"].sum()))
        measured = int(part["prompts"].sum())
        rows.append(
            {
                "domain": str(domain),
                "measured": measured,
                "shown": int(shown["prompts"].sum()),
                "likely": likely,
                "low": max(0.0, likely - _NORMAL_95 * off),
                "high": min(float(measured), likely + _NORMAL_95 * off),
            }
        )
    return sorted(rows, key=lambda row: str(row["domain"]))


def say_in_band(row: Mapping[str, Any]) -> str:
    """Return one line on what is in the band."""
    return (
        f"{row['shown']:,} show a rate in the band, {row['likely']:,.0f} "
        f"({row['low']:,.0f} to {row['high']:,.0f}) are likely in it"
    )


def gap_chart(gap: pl.DataFrame, recipe: Recipe) -> dict[str, Any] | None:
    """Return the student's rate against the reference's, or None if no prompt has both."""
    if gap.is_empty():
        return None
    counted = (
        gap.group_by("student", "reference")
        .agg(
            pl.col("prompts").sum(),
            pl.col("prompts").filter(pl.col("kept")).sum().alias("kept"),
        )
        .sort("student", "reference")
    )
    dots = [
        Dot(
            student / FORTIETHS,
            reference / TENTHS,
            prompts,
            "kept" if 2 * kept >= prompts else "dropped",
            f"student {student * 2.5:.0f} %, reference {reference * 10} %: "
            f"{prompts:,} prompts, {kept:,} kept",
        )
        for student, reference, prompts, kept in counted.rows()
    ]
    band = recipe.select.band
    wider = pl.col("reference") / TENTHS > pl.col("student") / FORTIETHS
    return {
        "prompts": int(counted["prompts"].sum()),
        "ahead": int(counted.filter(wider)["prompts"].sum()),
        "chart": draw_scatter(
            dots,
            title="prompts by the student's and the reference's rate",
            across="student",
            up="reference",
            band=(band.low, band.high),
        ),
    }


def policy_rows(difficulty: pl.DataFrame, recipe: Recipe) -> list[dict[str, Any]]:
    """Return what the band of each preset holds of the measured prompts, the recipe's own first."""
    rate, prompts = pl.col("pass_rate"), pl.col("prompts")
    measured = int(difficulty["prompts"].sum())
    kept = difficulty.filter("kept")
    rows: list[dict[str, Any]] = [
        {
            "policy": f"{recipe.select.policy} (this recipe)",
            "rule": "with its limits",
            "prompts": int(kept["prompts"].sum()),
            "shared": int(kept["prompts"].sum()),
        }
    ]
    for name, preset in PRESETS.items():
        band = preset.settings["band"]
        inside = rate.is_between(band["low"], band["high"])
        rows.append(
            {
                "policy": name,
                "rule": preset.rule,
                "prompts": int(difficulty.select(prompts.filter(inside).sum()).item()),
                "shared": int(kept.select(prompts.filter(inside).sum()).item()),
            }
        )
    return [row | {"share": row["prompts"] / measured if measured else 0.0} for row in rows]


def _difficulty_bar(
    numbers: Mapping[tuple[str, int, bool], int],
    domain: str,
    place: int,
    bins: int,
    inside: bool,
) -> Bar:
    kept, dropped = numbers.get((domain, place, True), 0), numbers.get((domain, place, False), 0)
    few = bins <= TENTHS
    label = f"{place}/{bins}" if few else (f"{place}" if place % 4 == 0 else "")
    where = "inside" if inside else "outside"
    title = f"{place} of {bins} right: {kept:,} kept, {dropped:,} set aside ({where} the band)"
    return Bar(label, (("kept", kept), ("dropped", dropped)), title)
