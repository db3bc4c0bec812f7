"""Difficulty: how often a student solves a prompt, and how sure that is.

prompt_id  student  correct  wrong  truncated  unverifiable  pass_rate  low    high
3c7b…      qwen-1b  3        5      0          0             0.375      0.119  0.710
"""

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE
from scipy.special import betaincinv

from tasks.recipe import Recipe
from tasks.store import Store, open_store

TAIL = 0.025


def measure(counts: pl.DataFrame) -> pl.DataFrame:
    """Add pass_rate, low and high to rows with `correct` and `wrong`.

    Truncated and unverifiable responses decide nothing: with neither right nor wrong answers all
    three are null. The interval is Jeffreys' 95 % one, the quantiles of Beta(c + ½, w + ½), with
    the end at 0 or 1 where the student never or always succeeded.
    """
    decided = pl.col("correct") + pl.col("wrong")
    rate = pl.when(decided > 0).then(pl.col("correct") / decided)
    return counts.with_columns(pass_rate=rate).join(
        _intervals(counts.select("correct", "wrong").unique()),
        on=["correct", "wrong"],
        how="left",
        maintain_order="left",
    )


def _intervals(counts: pl.DataFrame) -> pl.DataFrame:
    """Return the interval of each distinct pair of counts; there are few, however many prompts."""
    correct, wrong = counts["correct"].to_numpy(), counts["wrong"].to_numpy()
    some = pl.col("correct") + pl.col("wrong") > 0
    return counts.with_columns(
        low=pl.Series(betaincinv(correct + 0.5, wrong + 0.5, TAIL), dtype=pl.Float64),
        high=pl.Series(betaincinv(correct + 0.5, wrong + 0.5, 1 - TAIL), dtype=pl.Float64),
    ).with_columns(
        low=pl.when(some).then(pl.when(pl.col("correct") == 0).then(0.0).otherwise(pl.col("low"))),
        high=pl.when(some).then(pl.when(pl.col("wrong") == 0).then(1.0).otherwise(pl.col("high"))),
    )


def measure_difficulty(store: Store, run_id: str) -> int:
    """Append the difficulty of every prompt and student whose counts changed; return how many."""
    return store.append("difficulty", measure(store.query("assess_counts")), run_id=run_id)


@task(task_run_name="measure-difficulty", cache_policy=NO_CACHE)
def measure_difficulty_task(recipe: Recipe, run_id: str) -> int:
    """Measure every student on every prompt; return how many measures are new."""
    return measure_difficulty(open_store(recipe.store), run_id)
