"""Ratings ahead: the judges' votes on what is there, and on what rewriter and teacher will write.

teacher 2 x 305, of them safety 2 x 31  →  judge 62 votes on safety.conduct
"""

import polars as pl

from tasks.plan import pending
from tasks.plan.estimate import Estimate, add, exact, scale
from tasks.plan.forecast import Forecast, count_demands
from tasks.plan.price import Demand
from tasks.plan.rewriting import Rewriting
from tasks.rate.ratings import Subject
from tasks.rate.rubrics import Applied, ask, rubrics_of
from tasks.recipe import Recipe
from tasks.store import Store

_RESPONSE_BYTES = 1_500.0  # of a response that is not there yet
_NOTHING = {"text": "", "choices": None, "response": "", "reference": None}


def forecast_prompt_ratings(
    store: Store, recipe: Recipe, prompts: pl.DataFrame, rewriting: Rewriting
) -> Forecast:
    """Forecast the votes of one judge on prompts: those there are, and the rewrites to come."""
    coming = rewriting.coming
    more = [
        _demand(applied, coming.prompts[applied.domain], coming.sizes.get(applied.domain, 0.0))
        for applied in rubrics_of(recipe, "prompt")
        if applied.domain in coming.prompts and applied.rubric.only == "all"
    ]
    return _forecast(store, recipe, "prompt", prompts, more, coming.shares_from)


def forecast_response_ratings(
    store: Store, recipe: Recipe, prompts: pl.DataFrame, taught: Forecast
) -> Forecast:
    """Forecast the votes of one judge on what teachers have written and will write."""
    more = [
        _demand(applied, lesson.calls, lesson.size + _RESPONSE_BYTES)
        for applied in rubrics_of(recipe, "response")
        for lesson in taught.demands
        if lesson.domain == applied.domain
    ]
    return _forecast(store, recipe, "response", prompts, more, taught.shares_from)


def _forecast(
    store: Store,
    recipe: Recipe,
    rates: Subject,
    prompts: pl.DataFrame,
    more: list[Demand],
    shares_from: int | None,
) -> Forecast:
    asked = pending.pending_ratings(store, recipe, rates)
    now = count_demands(asked, prompts)
    subjects: list[Estimate] = [exact(asked["prompt_id"].n_unique()), *(one.calls for one in more)]
    return Forecast(add(subjects), (*now, *more), shares_from if more else None)


def _demand(applied: Applied, subjects: Estimate, size: float) -> Demand:
    """Return the votes on subjects that are not there yet, each of so many bytes."""
    rubric = applied.rubric
    told = sum(len(text.encode()) for _, text in ask(applied, _NOTHING))
    calls = scale(subjects, rubric.share * rubric.votes)
    return Demand(applied.template, applied.domain, calls, size, size + told)
