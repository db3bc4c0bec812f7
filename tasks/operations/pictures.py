"""Pictures: how hard prompts are and for whom, as Prefect's UI can show it: in markdown tables.

| domain | never |  ▁▃▅█▂▁ | always | measured | kept | in the band       |
| math   |    65 |  ▂▃▂▁▂▄ |     81 |      327 |  160 | 161; 158 (147–169)|

An image artifact wants an address that a browser can load from; the drawn pictures are in the
release's report.html.
"""

from collections.abc import Mapping, Sequence

import polars as pl
from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from tasks.operations.artifacts import as_markdown
from tasks.recipe import Recipe
from tasks.release.report.teachable import (
    count_bars,
    count_in_band,
    place_rates,
    policy_rows,
    say_in_band,
)
from tasks.store import open_store

_BLOCKS = "▁▂▃▄▅▆▇█"


@task(task_run_name="show-difficulty", cache_policy=NO_CACHE)
def show_difficulty(recipe: Recipe, run_id: str) -> None:
    """Leave the pass rates by domain, the reference beside the student, and other policies."""
    store = open_store(recipe.store)
    asked = {"policy": recipe.policy_version(), "student": recipe.models.student.model}
    difficulty, gap = (
        store.recall("report_difficulty", **asked),
        store.recall("report_gap", **asked),
    )
    if difficulty.is_empty():
        return
    create_markdown_artifact(
        key=f"{recipe.name}-difficulty",
        markdown=describe_difficulty(difficulty, gap, recipe),
        description=(
            f"How often {recipe.models.student.model} solved {difficulty['prompts'].sum():,} "
            f"prompts. Run `{run_id}`."
        ),
    )


def describe_difficulty(difficulty: pl.DataFrame, gap: pl.DataFrame, recipe: Recipe) -> str:
    """Return the tables as markdown."""
    parts = ["## Pass rates by domain", "", as_markdown(tabulate_difficulty(difficulty, recipe))]
    if not gap.is_empty():
        parts += ["", "## The reference beside the student", "", as_markdown(tabulate_gap(gap))]
    policies = pl.DataFrame(policy_rows(difficulty, recipe)).select(
        "policy",
        "rule",
        pl.col("prompts").alias("in its band"),
        pl.col("shared").alias("kept here too"),
    )
    parts += ["", "## Other policies, by their bands alone", "", as_markdown(policies)]
    return "\n".join(parts)


def tabulate_difficulty(difficulty: pl.DataFrame, recipe: Recipe) -> pl.DataFrame:
    """Return a row a domain: its histogram from never to always solved, and what is in the band."""
    told = {row["domain"]: row for row in count_in_band(difficulty, recipe)}
    rows = []
    for (domain,), part in difficulty.group_by("domain"):
        placed = part.group_by(place_rates(recipe).alias("bar")).agg(pl.col("prompts").sum())
        counts = dict.fromkeys(range(count_bars(recipe)), 0) | dict(placed.rows())
        rows.append(
            {
                "domain": str(domain),
                "0 to 100 %": draw_blocks([counts[bar] for bar in sorted(counts)]),
                "never": int(part.filter(pl.col("pass_rate") == 0)["prompts"].sum()),
                "always": int(part.filter(pl.col("pass_rate") == 1)["prompts"].sum()),
                "measured": int(part["prompts"].sum()),
                "kept": int(part.filter("kept")["prompts"].sum()),
                "band": _say_band(recipe, str(domain)),
                "in the band": say_in_band(told[str(domain)]),
            }
        )
    return pl.DataFrame(rows).sort("domain")


def tabulate_gap(gap: pl.DataFrame) -> pl.DataFrame:
    """Return a row a fifth of the reference's rate, the highest first, and a column a student's."""
    fifths = (pl.col("student") // 8, pl.col("reference") // 2)
    placed = gap.with_columns(each.clip(upper_bound=4) for each in fifths)
    counted = placed.group_by("reference", "student").agg(pl.col("prompts").sum())
    numbers: Mapping[tuple[int, int], int] = {
        (reference, student): prompts for reference, student, prompts in counted.rows()
    }
    names = [f"{20 * each} to {20 * each + 20} %" for each in range(5)]
    return pl.DataFrame(
        [
            {"reference / student": names[reference]}
            | {names[student]: numbers.get((reference, student), 0) for student in range(5)}
            for reference in reversed(range(5))
        ]
    )


def draw_blocks(counts: Sequence[int]) -> str:
    """Return counts as a line of blocks, the largest as high as a line; nothing is a dot.

    >>> draw_blocks([0, 1, 8, 4])
    '·▁█▄'
    """
    most = max([*counts, 1])
    return "".join(
        _BLOCKS[max(0, -(-count * len(_BLOCKS) // most) - 1)] if count else "·" for count in counts
    )


def _say_band(recipe: Recipe, domain: str) -> str:
    band = recipe.select.band_of(domain)
    return f"{band.low:g} to {band.high:g}"
