"""Confirming ahead: how many answers of the reference will settle a candidate.

    rule = expect_answers(confirmations=2, tries=3, share=0.867)
    → Answers(confirmed=0.867, asked=2.13, of_confirmed=2.09)

How often a reference agrees with a candidate is taken to differ from one to the next: mostly it
always does or never does. The rates are spread like Beta(a, b) with a + b = 1, as those of votes
and of students are, with the mean at which the share that is expected is confirmed. Measured on
the quick start: 2.13 answers a candidate are expected where nothing was seen, 2.15 were needed.
"""

from dataclasses import dataclass
from functools import lru_cache

from tasks.plan.assumed import ACCEPTED_SHARE, DRAFT_SHARE
from tasks.recipe import Recipe
from tasks.recipe.players import is_confirming
from tasks.rewrite.confirm import Votes, next_tries, weigh
from tasks.rewrite.openings import draws_all_tries

_HALVINGS = 30


@dataclass(frozen=True, slots=True)
class Answers:
    """What comes of a candidate: is it confirmed, after how many answers, and if it is."""

    confirmed: float
    asked: float
    of_confirmed: float


def first_answers(recipe: Recipe) -> int:
    """Return how many answers every candidate is given."""
    tries = recipe.rewrite.tries
    return next_tries(Votes(0, tries, tuple(range(tries))), recipe)


def usual_answers(recipe: Recipe, share: float, votes: Votes | None = None) -> float:
    """Return how many answers a candidate will still take, of which `votes` are known already."""
    rewrite = recipe.rewrite
    known = votes or Votes(0, rewrite.tries, tuple(range(rewrite.tries)))
    if draws_all_tries(recipe):
        return len(known.unasked)
    expected = expect_answers(
        rewrite.confirmations, rewrite.tries, share, known.agreeing, known.missing
    )
    return min(expected.asked, len(known.unasked))


def answers_of_accepted(recipe: Recipe) -> float:
    """Return how many answers a rewrite that will be accepted has got by then."""
    rewrite = recipe.rewrite
    if not is_confirming(recipe):
        return 0.0
    if draws_all_tries(recipe):
        return rewrite.tries
    share = ACCEPTED_SHARE / DRAFT_SHARE
    return expect_answers(rewrite.confirmations, rewrite.tries, share).of_confirmed


@lru_cache(maxsize=4096)
def expect_answers(
    confirmations: int, tries: int, share: float, agreeing: int = 0, missing: int | None = None
) -> Answers:
    """Return what is expected of a candidate of which so much is known already.

    `share` is that of the candidates that will be confirmed, of those nothing is known of.
    """
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if _walk(confirmations, 0, 0, tries, middle).confirmed < share:
            low = middle
        else:
            high = middle
    left = tries if missing is None else missing
    return _walk(confirmations, agreeing, max(0, tries - left - agreeing), left, high)


@lru_cache(maxsize=65_536)
def _walk(confirmations: int, agreeing: int, against: int, left: int, mean: float) -> Answers:
    """Ask one answer after another until a candidate is settled, and weigh what may come."""
    outcome = weigh(Votes(agreeing, left), confirmations)
    if outcome != "open":
        confirmed = float(outcome == "confirmed")
        return Answers(confirmed, 0.0, 0.0)
    chance = (mean + agreeing) / (1 + agreeing + against)
    ways = [
        (chance, _walk(confirmations, agreeing + 1, against, left - 1, mean)),
        (1 - chance, _walk(confirmations, agreeing, against + 1, left - 1, mean)),
    ]
    confirmed = sum(likely * way.confirmed for likely, way in ways)
    with_it = sum(likely * way.confirmed * (1 + way.of_confirmed) for likely, way in ways)
    return Answers(
        confirmed=confirmed,
        asked=1 + sum(likely * way.asked for likely, way in ways),
        of_confirmed=with_it / confirmed if confirmed else 0.0,
    )
