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
_ROUNDING = 1e-9  # Seven of ten are 0.7, in whichever tenth the last bit puts them.


def difficulty_charts(difficulty: pl.DataFrame, recipe: Recipe) -> list[dict[str, Any]]:
    """Return a histogram of pass rates for each domain, the band shaded.

    Where every prompt has the same few samples a bar is a count of right answers, 3 of 8; else it
    is a tenth of the rates, beside one bar each for none and for all.
    """
    charts = []
    for told in count_in_band(difficulty, recipe):
        part = difficulty.filter(pl.col("domain") == told["domain"])
        bars = _difficulty_bars(part, recipe, told["domain"])
        charts.append(
            {
                "domain": told["domain"],
                "kept": int(part.filter("kept")["prompts"].sum()),
                "measured": sum(bar.total for bar in bars),
                "in_band": say_in_band(told),
                "chart": draw_histogram(
                    bars,
                    title=f"{told['domain']}: prompts by the student's pass rate",
                    band=_shade(recipe, told["domain"]),
                ),
            }
        )
    return charts


def count_bars(recipe: Recipe) -> int:
    """Return how many bars a histogram of pass rates has."""
    return recipe.sample.student + 1 if _is_counted(recipe) else TENTHS + 2


def place_rates(recipe: Recipe) -> pl.Expr:
    """Return the bar that a pass rate belongs to: the first is none, the last is all."""
    rate = pl.col("pass_rate")
    if _is_counted(recipe):
        return (rate * recipe.sample.student).round().cast(pl.Int64)
    tenth = 1 + (rate * TENTHS + _ROUNDING).floor().cast(pl.Int64)
    return pl.when(rate <= 0).then(0).when(rate >= 1).then(TENTHS + 1).otherwise(tenth)


def _is_counted(recipe: Recipe) -> bool:
    """Whether every rate is a count of right answers out of the same few."""
    few = recipe.sample.adaptive is None and recipe.sample.student <= MOST_BINS
    return few and not recipe.select.verifier_error


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


def _difficulty_bars(part: pl.DataFrame, recipe: Recipe, domain: str) -> list[Bar]:
    """Return the bars of one domain."""
    band = recipe.select.band_of(domain)
    placed = part.select(
        "kept",
        "prompts",
        place_rates(recipe).alias("bar"),
        pl.col("pass_rate").is_between(band.low, band.high).alias("inside"),
    )
    bars = []
    for place in range(count_bars(recipe)):
        bar = placed.filter(pl.col("bar") == place)
        total = int(bar["prompts"].sum())
        kept, inside = (int(bar.filter(which)["prompts"].sum()) for which in ("kept", "inside"))
        label, rates = _name_bar(recipe, place)
        side = _say_side(inside, total - inside)
        title = f"{rates}: {kept:,} kept, {total - kept:,} set aside{side}"
        bars.append(Bar(label, (("kept", kept), ("dropped", total - kept)), title))
    return bars


def _name_bar(recipe: Recipe, place: int) -> tuple[str, str]:
    """Return a bar's label and its rates in words."""
    samples = recipe.sample.student
    if _is_counted(recipe):
        few = samples <= TENTHS
        label = f"{place}/{samples}" if few else (f"{place}" if place % 4 == 0 else "")
        return label, f"{place} of {samples} right"
    if place in (0, TENTHS + 1):
        return ("all", "all right") if place else ("none", "none right")
    low, high = (place - 1) / TENTHS, place / TENTHS
    return f"{low:g}", f"{low:g} to {high:g} right" if low else f"some, below {high:g} right"


def _say_side(inside: int, outside: int) -> str:
    """Say on which side of the band the prompts of a bar are; an edge may go through it."""
    if inside and outside:
        return f" ({inside:,} inside the band, {outside:,} outside)"
    return f" ({'inside' if inside else 'outside'} the band)" if inside or outside else ""


def _shade(recipe: Recipe, domain: str) -> tuple[float, float]:
    """Return the band in bars: from the left of the one to the right of the other."""
    band = recipe.select.band_of(domain)
    if _is_counted(recipe):
        return band.low * recipe.sample.student, band.high * recipe.sample.student
    return (
        1 + band.low * TENTHS if band.low > 0 else 0,
        band.high * TENTHS if band.high < 1 else TENTHS + 1,
    )
