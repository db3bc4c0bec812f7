"""Calibrate: the smallest share of votes whose keys are right as often as the recipe asks.

    domain  min_share  basis       gold  above  precise  target
    math    0.625      calibrated  412   388    377      0.95

The reference also answers prompts whose answer is known; what its pluralities are worth there is
what they are taken to be worth where nothing is known. docs/teachable.md has the rule.
"""

import logging

import polars as pl
from scipy.special import betainc

from tasks.assess.grade import same_answer
from tasks.recipe import SelectSettings
from tasks.store import Store

MIN_GOLD = 50
MIN_VOTES = 3
LEAST_SHARE = 0.5  # A smaller share is no majority.
CONFIDENCE = 0.8
_SCHEMA = {
    "domain": pl.String,
    "min_share": pl.Float64,
    "basis": pl.String,
    "gold": pl.Int32,
    "above": pl.Int32,
    "precise": pl.Int32,
    "target": pl.Float64,
}
_LOGGER = logging.getLogger(__name__)


def min_shares(
    store: Store, settings: SelectSettings, voter: str, run_id: str
) -> dict[str | None, float | None]:
    """Return the smallest believed share by domain; None (the domain) is every other domain.

    What it was calibrated on is appended to `key_shares` and logged.
    """
    shares: dict[str | None, float | None] = {None: settings.min_key_share}
    if settings.key_precision is None:
        return shares
    calibrated = calibrate(
        _gold_votes(store, voter), settings.key_precision, settings.min_key_share
    )
    store.append("key_shares", calibrated, run_id=run_id)
    for row in calibrated.iter_rows(named=True):
        shares[row["domain"]] = row["min_share"]
        _LOGGER.info("%s", describe(row))
    if calibrated.is_empty():
        _LOGGER.warning(
            "select.key_precision: the reference answered no prompt with a gold answer, so the "
            "share stays min_key_share %g; set sample.gold_share or sample.reference_on: all",
            settings.min_key_share,
        )
    return shares


def calibrate(votes: pl.DataFrame, target: float, fallback: float) -> pl.DataFrame:
    """Return a row a domain of the table `key_shares`.

    `votes` has a row a prompt with a gold answer: domain, share and right. The share is the
    smallest of those that occur for which, of all prompts that reach it, P(precision >= target) is
    at least 0.8 under Jeffreys' prior.
    """
    rows = [
        {"domain": domain, "target": target} | _calibrate_domain(part, target, fallback)
        for (domain,), part in votes.sort("domain").group_by("domain", maintain_order=True)
    ]
    return pl.DataFrame(rows, schema=_SCHEMA)


def describe(row: dict[str, object]) -> str:
    """Say in words where a domain's share comes from."""
    domain, gold = row["domain"], row["gold"]
    if row["basis"] == "too_few_gold":
        return (
            f"{domain}: {gold} voted prompts with a gold answer, {MIN_GOLD} are needed to "
            f"calibrate; the share stays {row['min_share']}"
        )
    if row["basis"] == "none_precise":
        return (
            f"{domain}: no share of votes is right {row['target']} of the time over {gold} gold "
            "answers; only confirmed keys are believed"
        )
    return (
        f"{domain}: votes are believed from a share of {row['min_share']}, right on "
        f"{row['precise']} of {row['above']} gold answers"
    )


def _calibrate_domain(votes: pl.DataFrame, target: float, fallback: float) -> dict[str, object]:
    """Return min_share, basis, gold, above and precise of one domain's votes."""
    by_share = (
        votes.group_by("share")
        .agg(pl.len().alias("above"), pl.col("right").sum().alias("precise"))
        .sort("share", descending=True)
        .with_columns(pl.col("above", "precise").cum_sum())
        .filter(pl.col("share") >= LEAST_SHARE)
    )
    if votes.height < MIN_GOLD:
        reached = votes.filter(pl.col("share") >= fallback)
        counts = {"above": reached.height, "precise": int(reached["right"].sum())}
        return {"min_share": fallback, "basis": "too_few_gold", "gold": votes.height, **counts}
    right, above = by_share["precise"].to_numpy(), by_share["above"].to_numpy()
    sure = 1 - betainc(right + 0.5, above - right + 0.5, target) >= CONFIDENCE
    fitting = by_share.filter(pl.Series(sure))
    if fitting.is_empty():
        nothing = {"above": 0, "precise": 0}
        return {"min_share": None, "basis": "none_precise", "gold": votes.height, **nothing}
    share, number, precise = fitting.select("share", "above", "precise").row(-1)
    counts = {"above": number, "precise": precise}
    return {"min_share": share, "basis": "calibrated", "gold": votes.height, **counts}


def _gold_votes(store: Store, voter: str) -> pl.DataFrame:
    """Return domain, share and right for each prompt with a gold answer that has enough votes."""
    votes = store.query("assess_gold_votes", voter=voter, fewest=MIN_VOTES)
    right = [
        answer is not None and same_answer(answer_type, gold, answer)
        for answer_type, gold, answer in votes.select("answer_type", "gold", "answer").iter_rows()
    ]
    return votes.select("domain", "share", pl.Series("right", right, dtype=pl.Boolean))
