"""Figures: the numbers of the report, from frames of a few rows to bars, steps and shares.

[Step("too_easy", "select", lost=149, left=417, start=0.61, width=0.26), …]
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl
from markupsafe import Markup

from tasks.release.report.charts import Bar, draw_histogram

MOST_SHOWN = 8  # parts of a mixture that have a line of their own
_STAGES = (
    "duplicates",
    "contamination",
    "rewrite",
    "sample",
    "assess",
    "select",
    "teach",
    "release",
)
_WORDS = {
    "too_easy": "too easy",
    "too_hard": "too hard",
    "no_key": "nothing to check against",
    "needs_review": "key needs a review",
    "source_removed": "source removed",
    "twin_of_frozen": "same as a frozen one",
    "too_few_decided": "too few decided samples",
    "over_per_root": "over the limit of a seed",
    "over_mixture": "over the mixture",
    "over_synthetic": "over the share of rewrites",
    "easier_than_parent": "easier than its parent",
    "domain_not_in_mixture": "not in the mixture",
    "licence_refused": "licence refused",
    "no_teacher_response": "no teacher response",
    "no_correct_response": "no right teacher response",
    "no_usable_response": "no usable teacher response",
    "exact_duplicate": "duplicate",
    "same_meaning": "duplicate in other words",
    "benchmark_13_gram": "in a benchmark (13 words)",
    "benchmark_exact": "in a benchmark (exact)",
    "benchmark_7_gram": "in a benchmark (7 words)",
    "benchmark_8_grams": "in a benchmark (8 words, half)",
    "benchmark_8_gram": "in a benchmark (8 words)",
    "benchmark_reworded": "in a benchmark (reworded)",
    "benchmark_code": "in a benchmark (code)",
    "benchmark_judged": "in a benchmark (a judge says so)",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One loss on the way from all prompts to the kept ones, as a piece of the whole width."""

    reason: str
    stage: str
    lost: int
    left: int
    start: float  # percent
    width: float


def funnel_steps(funnel: pl.DataFrame) -> list[Step]:
    """Return the losses in the order of the stages, the largest of a stage first."""
    lost = (
        funnel.filter(~pl.col("kept"))
        .group_by("stage", "reason")
        .agg(pl.col("prompts").sum())
        .rows()
    )
    order = {stage: index for index, stage in enumerate(_STAGES)}
    lost.sort(key=lambda row: (order.get(row[0], len(order)), -row[2], row[1]))
    total = int(funnel["prompts"].sum())
    left, steps = total, []
    for stage, reason, prompts in lost:
        left -= prompts
        steps.append(
            Step(
                _WORDS.get(reason, str(reason).replace("_", " ")),
                stage,
                prompts,
                left,
                round(100 * left / total, 2),
                round(100 * prompts / total, 2),
            )
        )
    return steps


def mixture_rows(facts: pl.DataFrame, mixture: Mapping[str, float]) -> list[dict[str, Any]]:
    """Return the shares of the release by domain, kind, key and source, the largest first."""
    groups = []
    for title, column in (
        ("Domain", "domain"),
        ("Kind", "kind"),
        ("Key", "key_source"),
        ("Source", "source"),
        ("Licence", "licence"),
    ):
        counted = (
            facts.group_by(pl.col(column).fill_null("unknown"))
            .agg(pl.col("pairs").sum())
            .sort(["pairs", column], descending=[True, False])
        )
        total = max(int(counted["pairs"].sum()), 1)
        parts = [
            {
                "name": name,
                "pairs": pairs,
                "share": pairs / total,
                "wanted": mixture.get(name) if column == "domain" else None,
            }
            for name, pairs in counted.head(MOST_SHOWN).rows()
        ]
        rest = counted.slice(MOST_SHOWN)
        if not rest.is_empty():
            pairs = int(rest["pairs"].sum())
            name = f"{rest.height} others"
            parts.append({"name": name, "pairs": pairs, "share": pairs / total, "wanted": None})
        groups.append({"title": title, "parts": parts})
    return groups


def length_charts(lengths: pl.DataFrame) -> list[dict[str, Any]]:
    """Return a histogram of the questions' and one of the responses' lengths, by octaves."""
    charts = []
    for part, title in (("question", "Questions"), ("response", "Responses, reasoning included")):
        counted = dict(
            lengths.filter(part=part).group_by("octave").agg(pl.col("pairs").sum()).rows()
        )
        if not counted:
            continue
        octaves = range(min(counted), max(counted) + 1)
        bars = [
            Bar(
                _say_octave(octave),
                (("kept", counted.get(octave, 0)),),
                f"{2**octave:,} to {2 ** (octave + 1) - 1:,} characters: "
                f"{counted.get(octave, 0):,} pairs",
            )
            for octave in octaves
        ]
        chart: Markup = draw_histogram(bars, title=f"{title}: pairs by length")
        charts.append({"title": title, "chart": chart})
    return charts


def _say_octave(octave: int) -> str:
    return f"{2**octave}" if octave < 10 else f"{2 ** (octave - 10)}k"


def spend_rows(spend: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the spend with each role's share of it, the most expensive first."""
    total = spend["cost_usd"].sum() or 1
    return sorted(
        ({**row, "share": (row["cost_usd"] or 0) / total} for row in spend.iter_rows(named=True)),
        key=lambda row: (-row["share"], str(row["role"])),
    )
