"""Budget: whether a plan fits the recipe's caps, and where a run would stop if it does not.

Verdict(fits="no", caps=(Cap("usd", cap=1.0, spent=0.0, planned=2.06),),
        stops=Stop(role="student", calls=3_100, of_calls=4_528, cap="usd"))
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tasks.llm.money import Amount
from tasks.plan.price import Cost, Span, add_spans
from tasks.recipe import Recipe

Fits = Literal["yes", "probably", "no", "unknown", "no budget"]
_MEASURES: Mapping[str, Callable[[Cost], Span | None]] = {
    "usd": lambda cost: cost.cost_usd,
    "tokens": lambda cost: add_spans([cost.prompt_tokens, cost.completion_tokens]),
    "calls": lambda cost: cost.calls,
}


@dataclass(frozen=True, slots=True)
class Cap:
    """One cap: what was spent of it already and what is planned; None if a price is unknown."""

    name: str
    cap: float
    spent: float
    planned: Span | None


@dataclass(frozen=True, slots=True)
class Stop:
    """Where a run would stop: after so many of a role's calls, at which cap."""

    role: str
    stage: int
    calls: float
    of_calls: float
    cap: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """`probably` is a plan that is expected to fit and whose upper end does not."""

    fits: Fits = "no budget"
    caps: tuple[Cap, ...] = ()
    stops: Stop | None = None


def judge_budget(recipe: Recipe, spent: Amount, stages: Sequence[tuple[str, Cost]]) -> Verdict:
    """Compare what was spent and what is planned with each cap; the first to be reached counts."""
    declared = {name: cap for name, cap in recipe.budget.model_dump().items() if cap is not None}
    if not declared:
        return Verdict()
    caps = tuple(
        Cap(name, float(cap), float(getattr(spent, name)), _plan_of(name, stages))
        for name, cap in declared.items()
    )
    stops = [stop for cap in caps if (stop := _find_stop(cap, stages))]
    first = min(stops, key=lambda stop: (stop.stage, stop.calls), default=None)
    return Verdict(_say_fit(caps), caps, first)


def _plan_of(name: str, stages: Sequence[tuple[str, Cost]]) -> Span | None:
    spans = [_MEASURES[name](cost) for _, cost in stages]
    known = [span for span in spans if span is not None]
    return add_spans(known) if len(known) == len(spans) else None


def _say_fit(caps: Sequence[Cap]) -> Fits:
    known = [(cap, cap.planned) for cap in caps if cap.planned is not None]
    if any(cap.spent + planned.expected > cap.cap for cap, planned in known):
        return "no"
    if len(known) < len(caps):
        return "unknown"
    if any(cap.spent + planned.high > cap.cap for cap, planned in known):
        return "probably"
    return "yes"


def _find_stop(cap: Cap, stages: Sequence[tuple[str, Cost]]) -> Stop | None:
    """Walk through the stages until the cap is reached; calls of a stage cost all the same.

    A stage that costs nothing ends at no cap, also where more was spent than the cap is now.
    """
    left = cap.cap - cap.spent
    for number, (role, cost) in enumerate(stages):
        span = _MEASURES[cap.name](cost)
        if span is None:
            return None
        if span.expected > max(0.0, left):
            done = max(0.0, left) / span.expected * cost.calls.expected
            return Stop(role, number, done, cost.calls.expected, cap.name)
        left -= span.expected
    return None
