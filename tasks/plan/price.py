"""Prices: what a stage's calls come to in tokens, dollars and minutes.

    price(recipe, "student", demands, history)
    → Cost(calls=4,528, prompt_tokens=382,000, completion_tokens=247,000, cost_usd=0.137, …)

Minutes are what the slowest of three limits asks for: the calls in flight (Little's law: calls x
seconds a call / slots), requests a minute, and tokens a minute as the limiter reserves them.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tasks.llm.money import prices_of, reserve_for
from tasks.plan import history as past
from tasks.plan.assumed import Assumed, assume
from tasks.plan.estimate import Estimate, add, scale, spread
from tasks.plan.history import Address, Calls
from tasks.recipe import EmbedderSettings, ModelSettings, Recipe, Role

_DOUBT_OF_ASSUMED_LATENCY = 2.0  # It may be half or twice of what is assumed.
_MANY = 1_000_000


@dataclass(frozen=True, slots=True)
class Demand:
    """Calls of one template in one domain, and how large their prompts and messages are."""

    template: str
    domain: str
    calls: Estimate
    size: float
    message_bytes: float


@dataclass(frozen=True, slots=True)
class Span:
    """A number with the ends of its 95 % interval."""

    low: float = 0.0
    expected: float = 0.0
    high: float = 0.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What calls come to. `cost_usd` is None if a price is unknown.

    `calls` counts every time that one is sent; `seen` is how many earlier calls the tokens are
    known from, 0 if they are assumed; `limit` is what the minutes are bound by.
    """

    calls: Span = Span()
    prompt_tokens: Span = Span()
    completion_tokens: Span = Span()
    cost_usd: Span | None = Span()
    minutes: Span = Span()
    limit: str = "none"
    seen: int = 0


def span_of(estimate: Estimate) -> Span:
    """Return an estimate with the ends of its interval."""
    return Span(estimate.low, estimate.expected, estimate.high)


def add_spans(spans: Iterable[Span]) -> Span:
    """Sum spans that are wrong together: what is low of one is low of all."""
    listed = list(spans)
    return Span(
        sum(span.low for span in listed),
        sum(span.expected for span in listed),
        sum(span.high for span in listed),
    )


def add_costs(costs: Sequence[Cost]) -> Cost:
    """Sum the stages of a plan, one after the other."""
    dollars = [cost.cost_usd for cost in costs]
    known = [span for span in dollars if span is not None]
    return Cost(
        calls=add_spans(cost.calls for cost in costs),
        prompt_tokens=add_spans(cost.prompt_tokens for cost in costs),
        completion_tokens=add_spans(cost.completion_tokens for cost in costs),
        cost_usd=add_spans(known) if len(known) == len(dollars) else None,
        minutes=add_spans(cost.minutes for cost in costs),
        seen=sum(cost.seen for cost in costs),
    )


def price(
    recipe: Recipe, role: Role, demands: Sequence[Demand], history: Mapping[Address, Calls]
) -> Cost:
    """Return what a role's calls come to."""
    settings: ModelSettings | None = getattr(recipe.models, role)
    demands = [demand for demand in demands if demand.calls.most > 0]
    if settings is None or not demands:
        return Cost()
    assumed = assume(recipe, settings)
    before = [past.find_calls(history, role, settings.model, each.template) for each in demands]
    prompts, completions, dollars = [], [], []
    for demand, calls in zip(demands, before, strict=True):
        prompt = past.prompt_tokens(calls, demand.size, demand.message_bytes)
        address = (role, settings.model, demand.template, demand.domain)
        completion = past.completion_tokens(history, address, settings, assumed)
        prompts.append(spread(demand.calls, prompt.mean, prompt.variance, prompt.most))
        completions.append(
            spread(demand.calls, completion.mean, completion.variance, completion.most)
        )
        dollars.append(_price_one(demand.calls, calls, settings, prompt, completion))
    everything = past.merge({id(each): each for each in before}.values())
    requests = add(demand.calls for demand in demands)
    minutes, limit = _time(settings, demands, everything, assumed)
    known = [each for each in dollars if each is not None]
    return Cost(
        calls=span_of(scale(requests, past.attempts(everything))),
        prompt_tokens=span_of(add(prompts)),
        completion_tokens=span_of(add(completions)),
        cost_usd=span_of(add(known)) if len(known) == len(dollars) else None,
        minutes=minutes,
        limit=limit,
        seen=int(everything.answered),
    )


def _price_one(
    requests: Estimate,
    calls: Calls,
    settings: ModelSettings,
    prompt: past.PerCall,
    completion: past.PerCall,
) -> Estimate | None:
    """Return what the calls of one demand cost; a million are priced so that no token is lost."""
    prices = prices_of(settings)
    mean = past.dollars(calls, prices, prompt.mean * _MANY, completion.mean * _MANY)
    of_prompt = past.dollars(calls, prices, _MANY, 0)
    of_completion = past.dollars(calls, prices, 0, _MANY)
    if mean is None or of_prompt is None or of_completion is None:
        return None
    of_prompt, of_completion = of_prompt / _MANY, of_completion / _MANY
    most = of_prompt * prompt.most
    most += of_completion * completion.most if of_completion else 0.0
    variance = of_prompt**2 * prompt.variance + of_completion**2 * completion.variance
    return spread(requests, mean / _MANY, variance, most)


def _time(
    settings: ModelSettings, demands: Sequence[Demand], calls: Calls, assumed: Assumed
) -> tuple[Span, str]:
    requests = add(demand.calls for demand in demands)
    weights = [demand.calls.expected for demand in demands]
    total = math.fsum(weights) or 1.0
    message_bytes = math.fsum(
        weight * demand.message_bytes for weight, demand in zip(weights, demands, strict=True)
    )
    ceiling = 0 if isinstance(settings, EmbedderSettings) else None
    reserved = reserve_for(settings, round(message_bytes / total), ceiling).tokens
    seconds = past.latency(calls, assumed)
    doubt = 1.0 if calls.timed else _DOUBT_OF_ASSUMED_LATENCY
    sent = past.attempts(calls)

    def minutes(count: float, latency: float) -> tuple[float, str]:
        return max(_limits(settings, count * sent, latency, reserved))

    expected, limit = minutes(requests.expected, seconds)
    low, high = (
        minutes(requests.low, seconds / doubt)[0],
        minutes(requests.high, seconds * doubt)[0],
    )
    return Span(low, expected, high), limit


def _limits(
    settings: ModelSettings, calls: float, latency_s: float, reserved: int
) -> Iterable[tuple[float, str]]:
    """Yield the minutes that each limit asks for; a window's first filling goes at once."""
    slots = max(1.0, min(settings.max_concurrency, calls))
    yield (calls * latency_s / slots / 60, "max_concurrency") if calls else (0.0, "max_concurrency")
    if settings.requests_per_minute is not None:
        yield max(0.0, calls / settings.requests_per_minute - 1), "requests_per_minute"
    if settings.tokens_per_minute is not None:
        yield max(0.0, calls * reserved / settings.tokens_per_minute - 1), "tokens_per_minute"
