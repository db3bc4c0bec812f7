"""Difficulty: how often a student solves a prompt, how sure that is, and what else it shows.

prompt_id  student  correct  wrong  truncated  pass_rate  low    high   in_band  entropy  gap
3c7b…      qwen-1b  3        5      0          0.375      0.119  0.710  0.940    1.55     0.625

docs/teachable.md has the formula of every column.
"""

from collections.abc import Iterator

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.assess.membership import (
    FAULTLESS,
    correct_rates,
    jeffreys_interval,
    probability_in_band,
)
from tasks.identity import share_bound
from tasks.llm.pending import Range, split_ids
from tasks.progress import active, track
from tasks.recipe import Recipe, SelectSettings
from tasks.settled import unless_settled
from tasks.store import Store, open_store

RESPONSES_AT_A_TIME = 4_000_000
_CASE = ("correct", "wrong", "domain", "answer_type")
_STORED = (
    *("prompt_id", "student", "key_id", "correct", "wrong", "truncated", "unverifiable"),
    *("observed_rate", "pass_rate", "low", "high", "band_low", "band_high", "in_band", "entropy"),
    *("answers", "mean_tokens", "agreement", "reference_rate", "reference_decided", "gap"),
)


def measure(counts: pl.DataFrame, settings: SelectSettings) -> pl.DataFrame:
    """Add rates, interval and membership to rows of correct, wrong, domain and answer_type.

    Truncated and unverifiable responses decide nothing: with neither right nor wrong answers all
    of them are null. `pass_rate` is the observed rate, corrected for the verifier's known error.
    """
    cases = counts.select(_CASE).unique(maintain_order=True)
    groups = cases.partition_by("domain", "answer_type", maintain_order=True)
    measured = pl.concat([_measure_cases(group, settings) for group in groups]) if groups else None
    if measured is None:
        measured = _measure_cases(cases, settings)
    joined = counts.join(measured, on=_CASE, how="left", nulls_equal=True, maintain_order="left")
    if "reference_rate" not in joined.columns:
        return joined
    rate = pl.col("reference_rate")
    if "is_confirmation" in joined.columns:
        # A rewrite is there because the reference solved it, and was asked no more once it had.
        rate = pl.when(~pl.col("is_confirmation")).then(rate)
    return joined.with_columns(gap=rate - pl.col("pass_rate"))


def _measure_cases(cases: pl.DataFrame, settings: SelectSettings) -> pl.DataFrame:
    """Measure the distinct counts of one domain and answer type: few, however many prompts."""
    domain, answer_type = cases.select("domain", "answer_type").row(0) if cases.height else ("", "")
    band = settings.band_of(domain)
    error = settings.verifier_error.get(answer_type, FAULTLESS)
    correct, wrong = cases["correct"].to_numpy(), cases["wrong"].to_numpy()
    low, high = jeffreys_interval(correct, wrong, error)
    inside = probability_in_band(correct, wrong, band.low, band.high, error)
    decided = pl.col("correct") + pl.col("wrong")
    observed = cases.select(rate=pl.col("correct") / decided)["rate"].to_numpy()
    values = {
        "observed_rate": observed,
        "pass_rate": correct_rates(observed, error),
        "low": low,
        "high": high,
        "in_band": inside,
    }
    return cases.with_columns(
        *(pl.when(decided > 0).then(pl.Series(name, values[name])).alias(name) for name in values),
        band_low=pl.lit(band.low),
        band_high=pl.lit(band.high),
    )


def measure_difficulty(
    store: Store, settings: SelectSettings, run_id: str, sampled_share: float = 0.0
) -> int:
    """Append the difficulty of every prompt and student that changed; return how many.

    Prompts are taken in ranges of their ids, so that memory does not grow with the store.
    `sampled_share` is that of the rewrites which the reference is sampled on.
    """
    below = share_bound(sampled_share)
    changed, tracker = 0, active("measure difficulty")
    unplaced = bool(store.query("assess_unplaced")["unplaced"][0])
    for part in _ranges(store):
        counts = store.query(
            "assess_counts",
            low=part.low,
            high=part.high,
            unplaced=unplaced,
            sampled_below=below,
        )
        if counts.is_empty():
            continue
        rows = measure(counts, settings).select(_STORED)
        changed += store.append("difficulty", rows, run_id=run_id)
        tracker.advance(rows.height)
    return changed


def share_sampled(recipe: Recipe) -> float:
    """Return the share of the rewrites that the reference is sampled on, beyond confirming them.

    None, if it draws no more samples of a prompt than may have confirmed it.
    """
    sample, adaptive = recipe.sample, recipe.sample.adaptive_reference
    samples = adaptive.start if adaptive else sample.reference
    if samples < recipe.rewrite.tries:
        return 0.0
    return 1.0 if sample.reference_on == "all" else sample.gold_share


def _ranges(store: Store) -> Iterator[Range]:
    responses = int(store.query("assess_response_count")["responses"][0])
    yield from split_ids(-(-responses // RESPONSES_AT_A_TIME))


@task(task_run_name="measure-difficulty", cache_policy=NO_CACHE)
def measure_difficulty_task(recipe: Recipe, run_id: str) -> int:
    """Measure every student on every prompt; return how many measures are new."""
    store = open_store(recipe.store)
    with track("measure difficulty"):
        return unless_settled(
            store,
            recipe,
            run_id,
            "measure-difficulty",
            lambda: measure_difficulty(store, recipe.select, run_id, share_sampled(recipe)),
        )
