"""Stopping: after how many samples enough is known, of a student's rate and of a key's votes.

    plan_stopping(Edges(0.125, 0.75), AdaptiveStudent())
    → StoppingPlan(error=0.122, samples=9.7, …).is_settled(correct=5, wrong=1) → False

Both rules depend on a prompt's own counts alone, never on the other prompts or on time: whoever
looks at the same answers stops at the same place. docs/teachable.md derives them and has figures.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.special import bdtr, betaln, gammaln

from tasks.assess.membership import (
    FAULTLESS,
    Floats,
    correct_rates,
    observe,
    probability_in_band,
)
from tasks.errors import RecipeError
from tasks.recipe import AdaptiveReference, AdaptiveStudent, Recipe, VerifierError

USUAL_ERROR = 0.125  # Where a recipe names none.
_PRIOR = 0.5  # Jeffreys'
_DEAREST = 0.05  # No sample of a reachable plan is dearer, in shares of misjudged prompts.
_HALVINGS = 30
_GRAIN = 1_000  # An error that is the least there is, is rounded up to a thousandth.
_NODES = 16_384  # True rates that stand for the pool where a verifier errs.
_MOST_OFFERED = (32, 48, 64, 96, 128, 192, 256)
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

    `error` is the share of prompts whose pass rate ends on another side of the band than their true
    rate is, `samples` the mean number of samples and `in_band` the share whose pass rate ends in
    the band: all exact over a pool whose rates follow Jeffreys' prior.
    """

    settled: Mapping[int, Flags]  # by the number of decided samples, then by the correct ones
    error: float
    samples: float
    in_band: float

    def is_settled(self, correct: int, wrong: int) -> bool:
        """Tell whether further samples are not worth their cost."""
        return bool(self.settled[correct + wrong][correct])


@lru_cache(maxsize=64)
def plan_stopping(edges: "Edges", settings: AdaptiveStudent) -> StoppingPlan:
    """Return the rule with the fewest samples whose error is not above the one that is asked for.

    Where no error is named it is USUAL_ERROR, or the least that `most` samples can reach if that is
    more. Raises RecipeError if they cannot reach the one that is named.
    """
    least = _evaluate(edges, settings, 0.0)
    if settings.error is not None and least.error > settings.error:
        raise RecipeError(
            f"sample.adaptive: with at most {settings.most} samples {_upwards(least.error):g} of "
            f"the prompts end on the wrong side of the band {edges.low:g} to {edges.high:g}"
            f"{_say_verifier(edges.error)}, error allows {settings.error:g}; "
            f"{_say_remedy(edges, settings, least)}"
        )
    allowed = settings.error or max(USUAL_ERROR, _upwards(least.error))
    cheap, dear = 0.0, _DEAREST
    best = least
    for _ in range(_HALVINGS):
        middle = (cheap + dear) / 2
        plan = _evaluate(edges, settings, middle)
        if plan.error <= allowed:
            cheap, best = middle, plan
        else:
            dear = middle
    return best


def plan_of(
    recipe: Recipe, settings: AdaptiveStudent, domain: str | None, answer_type: str | None
) -> StoppingPlan:
    """Return the rule for a recipe's prompts of a domain and answer type."""
    return plan_stopping(edges_of(recipe, domain, answer_type), settings)


def say_shortfalls(
    recipe: Recipe, settings: AdaptiveStudent, kinds: Iterable[tuple[str | None, str]]
) -> list[str]:
    """Say where prompts of these domains and answer types are sampled for more than USUAL_ERROR.

    Raises RecipeError if the error that the recipe names is out of reach for any of them.
    """
    said: dict[Edges, str] = {}
    for domain, answer_type in kinds:
        edges = edges_of(recipe, domain, answer_type)
        plan = plan_stopping(edges, settings)
        if settings.error is None and plan.error > USUAL_ERROR:
            said[edges] = (
                f"sample.adaptive: of the prompts whose band is {edges.low:g} to {edges.high:g}"
                f"{_say_verifier(edges.error)} {_upwards(plan.error):g} may end on its wrong side, "
                f"the least that {settings.most} samples can reach, and not {USUAL_ERROR:g}; "
                f"{_say_remedy(edges, settings, plan)}"
            )
    return list(said.values())


def edges_of(recipe: Recipe, domain: str | None, answer_type: str | None) -> Edges:
    """Return the band of a recipe's prompts of a domain and answer type, and who looks at it."""
    band = recipe.select.band_of(domain)
    known = recipe.select.verifier_error.items()
    error = next((error for name, error in known if name == answer_type), FAULTLESS)
    return Edges(band.low, band.high, error)


def _say_verifier(error: VerifierError) -> str:
    if error == FAULTLESS:
        return ""
    return f" (verifier: recall {error.recall:g}, false positives {error.false_positive:g})"


def _say_remedy(edges: Edges, settings: AdaptiveStudent, least: StoppingPlan) -> str:
    """Say which `most` would do, if any does, and which error can be reached without it."""
    wanted, named = settings.error or USUAL_ERROR, f"error: {_upwards(least.error):g}"
    for most in _MOST_OFFERED:
        longer = settings.model_copy(update={"most": most})
        if most > settings.most and _evaluate(edges, longer, 0.0).error <= wanted:
            return f"set sample.adaptive to most: {most}, or to {named}"
    return f"no number of samples up to {_MOST_OFFERED[-1]} does; set sample.adaptive to {named}"


def _upwards(error: float) -> float:
    return math.ceil(error * _GRAIN) / _GRAIN


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
    return _walk(settings, settled, nobody_loses, nobody_loses).samples


def _evaluate(edges: Edges, settings: AdaptiveStudent, price: float) -> StoppingPlan:
    """Find the best rule at a price a sample by backward induction, then walk it forward.

    A state is (decided samples, correct ones). To stop costs the probability that the true rate is
    not on that side of the band on which the pass rate is, for it is the pass rate that selection
    goes by; to go on costs the samples of a round and whatever then remains.
    """
    most = settings.most
    value: dict[int, Floats] = {}
    settled: dict[int, Flags] = {}
    losses: dict[int, Floats] = {}
    kept: dict[int, Floats] = {}
    for decided in range(most, -1, -1):
        correct = np.arange(decided + 1)
        inside = _inside(decided, edges)
        rate = correct_rates(correct / max(decided, 1), edges.error)
        shown = (edges.low <= rate) & (rate <= edges.high)
        losses[decided] = loss = np.where(shown, 1 - inside, inside)
        kept[decided] = shown.astype(float)
        more = min(
            settings.start - decided if decided < settings.start else settings.step, most - decided
        )
        if more == 0:
            value[decided], settled[decided] = loss, np.ones(decided + 1, dtype=bool)
            continue
        chances = _chances(decided, more, edges.error)
        reached = value[decided + more][correct[:, None] + np.arange(more + 1)]
        going_on = price * more + (chances * reached).sum(axis=1)
        settled[decided] = (loss <= going_on) & (decided >= settings.start)
        value[decided] = np.where(settled[decided], loss, going_on)
    return _walk(settings, settled, losses, kept, edges.error)


def _walk(
    settings: AdaptiveStudent | AdaptiveReference,
    settled: Mapping[int, Flags],
    losses: Mapping[int, Floats],
    kept: Mapping[int, Floats],
    verifier: VerifierError = FAULTLESS,
) -> StoppingPlan:
    """Return the rule with its exact error and cost, from the first look to the last."""
    decided, error, samples, in_band = settings.start, 0.0, 0.0, 0.0
    present = _chances(0, decided, verifier)[0]
    while True:
        ending = present * settled[decided]
        error += float(ending @ losses[decided])
        samples += float(ending.sum()) * decided
        in_band += float(ending @ kept[decided])
        more = min(settings.step, settings.most - decided)
        if more == 0:
            return StoppingPlan(settled, error, samples, min(in_band, 1.0))
        staying = (present - ending)[:, None] * _chances(decided, more, verifier)
        present = np.zeros(decided + more + 1)
        for added in range(more + 1):
            present[added : added + decided + 1] += staying[:, added]
        decided += more


@lru_cache(maxsize=4096)
def _chances(decided: int, more: int, verifier: VerifierError = FAULTLESS) -> Floats:
    """Return P(so many of `more` samples are correct), a row for each number of correct ones."""
    right = np.arange(more + 1)
    ways = gammaln(more + 1) - gammaln(right + 1) - gammaln(more - right + 1)
    reached = np.arange(decided + 1)[:, None] + right
    likely, before = _likelihoods(decided + more, verifier), _likelihoods(decided, verifier)
    chances: Floats = np.exp(ways + likely[reached] - before[:, None])
    return chances


@lru_cache(maxsize=4096)
def _likelihoods(decided: int, verifier: VerifierError) -> Floats:
    """Return the logarithm of the chance of one order of so many correct answers, by their number.

    Over a pool whose true rates follow Jeffreys' prior, of which a verifier that errs shows others.
    """
    correct = np.arange(decided + 1)
    if verifier == FAULTLESS:
        exact: Floats = betaln(correct + _PRIOR, decided - correct + _PRIOR)
        exact -= float(betaln(_PRIOR, _PRIOR))
        return exact
    likely: Floats = np.log(_weigh_rates(decided, verifier).mean(axis=1))
    return likely


def _inside(decided: int, edges: Edges) -> Floats:
    """Return the probability that the true rate is in the band, by the number of correct ones."""
    correct = np.arange(decided + 1)
    if edges.error == FAULTLESS:
        return probability_in_band(correct, decided - correct, edges.low, edges.high)
    weights, rates = _weigh_rates(decided, edges.error), _true_rates()
    within = weights[:, (edges.low <= rates) & (rates <= edges.high)].sum(axis=1)
    inside: Floats = within / weights.sum(axis=1)
    return inside


def _weigh_rates(decided: int, verifier: VerifierError) -> Floats:
    """Return how likely each number of correct ones is (a row each) at each rate of the pool."""
    shown: Floats = observe(_true_rates(), verifier)
    correct = np.arange(decided + 1)[:, None]
    weights: Floats = shown**correct * (1 - shown) ** (decided - correct)
    return weights


@lru_cache(maxsize=1)
def _true_rates() -> Floats:
    """Return rates that stand for equal shares of a pool under Jeffreys' prior, the arcsine law."""
    rates: Floats = np.sin((np.arange(_NODES) + 0.5) / _NODES * np.pi / 2) ** 2
    return rates
