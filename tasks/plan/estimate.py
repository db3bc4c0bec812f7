"""Estimates: a number that is expected, how sure that is, and the arithmetic of both.

    share = blend(seen=40, hits=30, prior=0.5, weight=10)   → Share(mean=0.7, weight=50, seen=40)
    thin({"math": exact(200)}, {"math": share})             → {"math": 140 ± 27}

What is counted has no variance. An interval is the expected value ± 1.96 standard deviations,
within what is possible.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from tasks.assess.membership import FAULTLESS, correct_rates
from tasks.recipe import VerifierError

Key = TypeVar("Key")
PRIOR_WEIGHT = 10.0  # An assumption weighs as much as ten observations.
_KIN_WEIGHT = 40.0  # What other groups have shown counts for no more than this for a new one.
_NORMAL_95 = 1.959964


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number to come: expected value, variance, and what it is at most and at least."""

    expected: float = 0.0
    variance: float = 0.0
    most: float = 0.0
    least: float = 0.0

    @property
    def low(self) -> float:
        """The lower end of the 95 % interval."""
        return max(self.least, self.expected - _NORMAL_95 * math.sqrt(self.variance))

    @property
    def high(self) -> float:
        """The upper end of the 95 % interval."""
        return min(self.most, self.expected + _NORMAL_95 * math.sqrt(self.variance))


@dataclass(frozen=True, slots=True)
class Share:
    """A share of things: its mean, the observations it is worth, those that were its own."""

    mean: float
    weight: float
    seen: int

    @property
    def variance(self) -> float:
        """The variance of the share itself, as of a beta distribution of that mean and weight."""
        return self.mean * (1.0 - self.mean) / (self.weight + 1.0)


def exact(count: float) -> Estimate:
    """Return what was counted."""
    return Estimate(float(count), 0.0, float(count), float(count))


def add(estimates: Iterable[Estimate]) -> Estimate:
    """Sum independent estimates."""
    listed = list(estimates)
    return Estimate(
        sum(each.expected for each in listed),
        sum(each.variance for each in listed),
        sum(each.most for each in listed),
        sum(each.least for each in listed),
    )


def scale(estimate: Estimate, factor: float) -> Estimate:
    """Multiply by what is certain."""
    return Estimate(
        estimate.expected * factor,
        estimate.variance * factor**2,
        estimate.most * factor,
        estimate.least * factor,
    )


def spread(estimate: Estimate, mean: float, variance: float, most: float) -> Estimate:
    """Multiply by an independent average that is itself uncertain."""
    return Estimate(
        expected=estimate.expected * mean,
        variance=estimate.variance * (mean**2 + variance) + estimate.expected**2 * variance,
        most=estimate.most * most,
    )


def blend(seen: int, hits: int, prior: float, weight: float = PRIOR_WEIGHT) -> Share:
    """Return the share of hits, drawn towards a prior by what that weighs."""
    return Share((hits + prior * weight) / (seen + weight), seen + weight, seen)


def blend_groups(
    counts: Mapping[Key, tuple[int, int]], assumed: Callable[[Key], float]
) -> Callable[[Key], Share]:
    """Return the share of a group, from (seen, hits) by group.

    A group is drawn towards what all groups have shown, and all of them towards what is assumed.
    """
    seen = sum(count[0] for count in counts.values())
    hits = sum(count[1] for count in counts.values())

    def share_of(key: Key) -> Share:
        everywhere = blend(seen, hits, assumed(key))
        if key in counts and counts[key][0]:
            return blend(*counts[key], everywhere.mean)
        return Share(everywhere.mean, min(everywhere.weight, _KIN_WEIGHT), 0)

    return share_of


def thin(groups: Mapping[Key, Estimate], share_of: Callable[[Key], Share]) -> dict[Key, Estimate]:
    """Return how many of each group are left when only a share of it goes on.

    What is assumed of several groups is wrong for all of them together: their variances sum to
    that of one group.
    """
    shares = {key: share_of(key) for key in groups}
    unseen = sum(groups[key].expected for key, share in shares.items() if not share.seen)
    return {
        key: _thin_one(group, shares[key], group.expected if shares[key].seen else unseen)
        for key, group in groups.items()
    }


def _thin_one(group: Estimate, share: Share, wrong_together: float) -> Estimate:
    chance = group.expected * share.mean * (1.0 - share.mean)
    doubt = group.expected * wrong_together * share.variance
    return Estimate(
        expected=group.expected * share.mean,
        variance=group.variance * share.mean**2 + chance + doubt,
        most=group.most,
    )


def share_in_band(low: float, high: float, samples: int, error: VerifierError = FAULTLESS) -> float:
    """Return the share of prompts expected in a band if nothing is known of the student.

    The rates that a verifier shows are taken to spread like Beta(½, ½): most prompts are easy or
    hard. The number of correct samples is then beta-binomial.
    """
    rates = correct_rates(np.arange(samples + 1) / samples, error)
    share = sum(
        _chance_of(correct, samples) for correct, rate in enumerate(rates) if low <= rate <= high
    )
    return min(share, 1.0)  # Chances that are rounded may add up to a little more.


def _chance_of(correct: int, samples: int) -> float:
    """The beta-binomial probability of so many correct samples under Beta(½, ½)."""
    wrong = samples - correct
    logarithm = (
        math.lgamma(samples + 1)
        - math.lgamma(correct + 1)
        - math.lgamma(wrong + 1)
        + math.lgamma(correct + 0.5)
        + math.lgamma(wrong + 0.5)
        - math.lgamma(samples + 1)
        - 2 * math.lgamma(0.5)
    )
    return math.exp(logarithm)
