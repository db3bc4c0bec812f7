"""Stopping: after how many samples enough is known, of a student's rate and of a key's votes.

    plan_stopping(Edges(0.125, 0.75), AdaptiveStudent())
    → StoppingPlan(error=0.118, samples=9.9, …).is_settled(correct=5, wrong=1) → False

Both rules depend on a prompt's own counts alone, never on the other prompts or on time: whoever
looks at the same answers stops at the same place. docs/teachable.md derives them and has figures.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.special import bdtr, betaln, gammaln

from tasks.assess.membership import FAULTLESS, Floats, probability_in_band
from tasks.errors import RecipeError
from tasks.recipe import AdaptiveReference, AdaptiveStudent, VerifierError

_PRIOR = 0.5  # Jeffreys'
_DEAREST = 0.05  # No sample of a reachable plan is dearer, in shares of misjudged prompts.
_HALVINGS = 30
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Edges:
    """A band as far as stopping is concerned, with the error of the verifier that looks at it."""

    low: float
    high: float
    error: VerifierError = FAULTLESS


@dataclass(frozen=True, slots=True)
class StoppingPlan:
    """When a prompt is settled, and what that costs.

    `error` is the share of prompts that end on the wrong side of the band and `samples` the mean
    number of samples, both exact over a pool whose rates follow Jeffreys' prior.
    """

    settled: Mapping[int, Flags]  # by the number of decided samples, then by the correct ones
    error: float
    samples: float

    def is_settled(self, correct: int, wrong: int) -> bool:
        """Tell whether further samples are not worth their cost."""
        return bool(self.settled[correct + wrong][correct])


@lru_cache(maxsize=64)
def plan_stopping(edges: "Edges", settings: AdaptiveStudent) -> StoppingPlan:
    """Return the rule with the fewest samples whose error is not above the one that is asked for.

    Raises RecipeError if even `most` samples of every prompt misjudge more.
    """
    least = _evaluate(edges, settings, 0.0)
    if least.error > settings.error:
        raise RecipeError(
            f"sample.adaptive: with at most {settings.most} samples {least.error:.3f} of the "
            f"prompts end on the wrong side of the band {edges.low:g} to {edges.high:g}, "
            f"error allows {settings.error:g}; raise most or error"
        )
    cheap, dear = 0.0, _DEAREST
    best = least
    for _ in range(_HALVINGS):
        middle = (cheap + dear) / 2
        plan = _evaluate(edges, settings, middle)
        if plan.error <= settings.error:
            cheap, best = middle, plan
        else:
            dear = middle
    return best


def next_look(drawn: int, start: int, step: int, most: int) -> int:
    """Return the number of samples at which to look next: the smallest look not below `drawn`."""
    if drawn <= start:
        return start
    return min(most, start + -(-(drawn - start) // step) * step)


def leads_for_good(first: int, second: int, confidence: float) -> bool:
    """Tell whether an answer with `first` votes will stay ahead of the next, with `second`.

    The Beta rule of adaptive consistency (arXiv 2305.11860): the leader's share of the two is above
    a half with probability P(Bin(first + second + 1, ½) <= first), under a uniform prior.
    """
    return bool(bdtr(first, first + second + 1, 0.5) >= confidence)


@lru_cache(maxsize=64)
def expect_votes(settings: AdaptiveReference) -> float:
    """Return the mean number of votes for a key over a pool where two answers compete.

    The share of one of them follows Jeffreys' prior: mostly the model agrees with itself.
    """
    settled = {
        votes: np.array(
            [
                votes == settings.most
                or leads_for_good(max(one, votes - one), min(one, votes - one), settings.confidence)
                for one in range(votes + 1)
            ]
        )
        for votes in range(settings.most + 1)
    }
    nobody_loses = {votes: np.zeros(votes + 1) for votes in settled}
    return _walk(settings, settled, nobody_loses).samples


def _evaluate(edges: Edges, settings: AdaptiveStudent, price: float) -> StoppingPlan:
    """Find the best rule at a price a sample by backward induction, then walk it forward.

    A state is (decided samples, correct ones). To stop costs the probability of being wrong about
    the band, to go on costs the samples of a round and whatever then remains.
    """
    most = settings.most
    value: dict[int, Floats] = {}
    settled: dict[int, Flags] = {}
    losses: dict[int, Floats] = {}
    for decided in range(most, -1, -1):
        correct = np.arange(decided + 1)
        inside = probability_in_band(correct, decided - correct, edges.low, edges.high, edges.error)
        losses[decided] = loss = np.minimum(inside, 1 - inside)
        more = min(
            settings.start - decided if decided < settings.start else settings.step, most - decided
        )
        if more == 0:
            value[decided], settled[decided] = loss, np.ones(decided + 1, dtype=bool)
            continue
        chances = _chances(decided, more)
        reached = value[decided + more][correct[:, None] + np.arange(more + 1)]
        going_on = price * more + (chances * reached).sum(axis=1)
        settled[decided] = (loss <= going_on) & (decided >= settings.start)
        value[decided] = np.where(settled[decided], loss, going_on)
    return _walk(settings, settled, losses)


def _walk(
    settings: AdaptiveStudent | AdaptiveReference,
    settled: Mapping[int, Flags],
    losses: Mapping[int, Floats],
) -> StoppingPlan:
    """Return the rule with its exact error and cost, from the first look to the last."""
    decided, error, samples = settings.start, 0.0, 0.0
    present = _chances(0, decided)[0]
    while True:
        ending = present * settled[decided]
        error += float(ending @ losses[decided])
        samples += float(ending.sum()) * decided
        more = min(settings.step, settings.most - decided)
        if more == 0:
            return StoppingPlan(settled, error, samples)
        staying = (present - ending)[:, None] * _chances(decided, more)
        present = np.zeros(decided + more + 1)
        for added in range(more + 1):
            present[added : added + decided + 1] += staying[:, added]
        decided += more


@lru_cache(maxsize=4096)
def _chances(decided: int, more: int) -> Floats:
    """Return P(so many of `more` samples are correct), a row for each number of correct ones."""
    a = np.arange(decided + 1)[:, None] + _PRIOR
    b = decided - np.arange(decided + 1)[:, None] + _PRIOR
    right = np.arange(more + 1)
    ways = gammaln(more + 1) - gammaln(right + 1) - gammaln(more - right + 1)
    chances: Floats = np.exp(ways + betaln(a + right, b + more - right) - betaln(a, b))
    return chances
