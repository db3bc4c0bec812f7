"""Calibrate: the smallest share of votes whose keys are right as often as the recipe asks.

    domain  min_share  basis       gold  above  precise  target
    math    0.625      calibrated  412   388    377      0.95

The reference also answers prompts whose answer is known; what its pluralities are worth there is
what they are taken to be worth where nothing is known. docs/teachable.md has the rule.
"""

import logging
from dataclasses import asdict, dataclass
from typing import Literal

import polars as pl
from scipy.special import betainc

from tasks.assess.verdicts import same_answer
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


@dataclass(frozen=True, slots=True)
class KeyShare:
    """The share from which a domain's votes are believed, and what it was found on.

    Of the `gold` answers that were voted on, `above` reach the share and `precise` of those are
    right.
    """

    domain: str
    min_share: float | None  # None: no vote is believed
    basis: Literal["calibrated", "none_precise", "too_few_gold"]
    gold: int
    above: int
    precise: int
    target: float


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
    frame = pl.DataFrame([asdict(share) for share in calibrated], schema=_SCHEMA)
    store.append("key_shares", frame, run_id=run_id)
    for share in calibrated:
        shares[share.domain] = share.min_share
        _LOGGER.info("%s", describe(share))
    if not calibrated:
        _LOGGER.warning(
            "select.key_precision: the reference answered no prompt with a gold answer, so the "
            "share stays min_key_share %g; set sample.gold_share or sample.reference_on: all",
            settings.min_key_share,
        )
    return shares


def calibrate(votes: pl.DataFrame, target: float, fallback: float) -> list[KeyShare]:
    """Return the share of each domain, in their order.

    `votes` has a row a prompt with a gold answer: domain, share and right. The share is the
    smallest of those that occur for which, of all prompts that reach it, P(precision >= target) is
    at least 0.8 under Jeffreys' prior.
    """
    return [
        _calibrate_domain(domain, part, target, fallback)
        for (domain,), part in votes.sort("domain").group_by("domain", maintain_order=True)
    ]


def describe(share: KeyShare) -> str:
    """Say in words where a domain's share comes from."""
    if share.basis == "too_few_gold":
        return (
            f"{share.domain}: {share.gold} voted prompts with a gold answer, {MIN_GOLD} are needed "
            f"to calibrate; the share stays {share.min_share}"
        )
    if share.basis == "none_precise":
        return (
            f"{share.domain}: no share of votes is right {share.target} of the time over "
            f"{share.gold} gold answers; only confirmed keys are believed"
        )
    return (
        f"{share.domain}: votes are believed from a share of {share.min_share}, right on "
        f"{share.precise} of {share.above} gold answers"
    )


def _calibrate_domain(domain: str, votes: pl.DataFrame, target: float, fallback: float) -> KeyShare:
    gold = votes.height
    if gold < MIN_GOLD:
        reached = votes.filter(pl.col("share") >= fallback)
        right = int(reached["right"].sum())
        return KeyShare(domain, fallback, "too_few_gold", gold, reached.height, right, target)
    by_share = (
        votes.group_by("share")
        .agg(pl.len().alias("above"), pl.col("right").sum().alias("precise"))
        .sort("share", descending=True)
        .with_columns(pl.col("above", "precise").cum_sum())
        .filter(pl.col("share") >= LEAST_SHARE)
    )
    precise, above = by_share["precise"].to_numpy(), by_share["above"].to_numpy()
    sure = 1 - betainc(precise + 0.5, above - precise + 0.5, target) >= CONFIDENCE
    fitting = by_share.filter(pl.Series(sure))
    if fitting.is_empty():
        return KeyShare(domain, None, "none_precise", gold, 0, 0, target)
    share, number, right = fitting.select("share", "above", "precise").row(-1)
    return KeyShare(domain, share, "calibrated", gold, number, right, target)


def _gold_votes(store: Store, voter: str) -> pl.DataFrame:
    """Return domain, share and right for each prompt with a gold answer that has enough votes."""
    votes = store.query("assess_gold_votes", voter=voter, fewest=MIN_VOTES)
    right = [
        answer is not None and same_answer(answer_type, gold, answer)
        for answer_type, gold, answer in votes.select("answer_type", "gold", "answer").iter_rows()
    ]
    return votes.select("domain", "share", pl.Series("right", right, dtype=pl.Boolean))
