"""History: what a store's earlier calls say about the next ones.

    history.completion("student", "sim-student", "solve@1", "math")
    → PerCall(mean=96.2, variance=3_020.1, error=0.8, calls=2_312)

A domain with few calls is drawn towards the template's mean; a template without any goes by the
model's other calls in that role; a model without any is assumed, and the plan says so.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

from tasks.llm.money import Usage, cost_usd
from tasks.plan.assumed import BYTES_PER_TOKEN, MESSAGE_TOKENS, Assumed
from tasks.plan.estimate import PRIOR_WEIGHT
from tasks.recipe import ModelSettings, Prices
from tasks.store import Store

_MOST_PER_SIZE = 1.0  # A token has at least a byte.
_ENOUGH_TO_FIT = 30


@dataclass(frozen=True, slots=True)
class Calls:
    """Sums over calls, as sql/queries/plan_calls.sql has them."""

    requests: float = 0.0
    attempts: float = 0.0
    answered: float = 0.0
    prompt_tokens: float = 0.0
    cached_tokens: float = 0.0
    completion_tokens: float = 0.0
    completion_squares: float = 0.0
    reasoning_tokens: float = 0.0
    timed: float = 0.0
    latency_s: float = 0.0
    sized: float = 0.0
    size: float = 0.0
    size_squares: float = 0.0
    sized_tokens: float = 0.0
    size_tokens: float = 0.0


@dataclass(frozen=True, slots=True)
class PerCall:
    """An average a call and its variance; `calls` is 0 where it is assumed."""

    mean: float
    variance: float
    most: float
    calls: int


Address = tuple[str, str, str | None, str | None]  # role, model, template, domain


def read_history(store: Store) -> dict[Address, Calls]:
    """Return the sums of all calls by role, model, template and domain, and those above them."""
    history: dict[Address, Calls] = {}
    for row in store.query("plan_calls").iter_rows(named=True):
        calls = Calls(**{field.name: float(row[field.name]) for field in fields(Calls)})
        role, model, template, domain = (
            row[name] for name in ("role", "model", "template", "domain")
        )
        addresses: set[Address] = {
            (role, model, template, domain),
            (role, model, template, None),
            (role, model, None, None),
        }
        for address in addresses:
            history[address] = merge([history.get(address, Calls()), calls])
    return history


def merge(calls: Iterable[Calls]) -> Calls:
    """Add up sums."""
    listed = list(calls)
    return Calls(**{f.name: sum(getattr(each, f.name) for each in listed) for f in fields(Calls)})


def find_calls(history: Mapping[Address, Calls], role: str, model: str, template: str) -> Calls:
    """Return the nearest earlier calls: of the template, else of the model in that role."""
    for address in ((role, model, template, None), (role, model, None, None)):
        found = history.get(address)
        if found is not None and found.answered:
            return found
    return Calls()


def prompt_tokens(calls: Calls, size: float, message_bytes: float) -> PerCall:
    """Return the prompt tokens of a call whose prompt has `size` bytes, its messages more.

    From earlier calls: a line through tokens by size, or their mean moved by four bytes a token.
    """
    most = message_bytes + 64
    if not calls.sized:
        assumed = message_bytes / BYTES_PER_TOKEN + MESSAGE_TOKENS
        return PerCall(assumed, (assumed / 4) ** 2, most, 0)
    n = calls.sized
    mean_size, mean_tokens = calls.size / n, calls.sized_tokens / n
    square = calls.size_squares / n - mean_size**2
    slope = (calls.size_tokens / n - mean_size * mean_tokens) / square if square > 0 else -1.0
    if n < _ENOUGH_TO_FIT or not 0 <= slope <= _MOST_PER_SIZE:
        slope = 1 / BYTES_PER_TOKEN
    mean = max(1.0, mean_tokens + slope * (size - mean_size))
    return PerCall(mean, (mean * 0.02) ** 2, max(most, mean), int(n))


def completion_tokens(
    history: Mapping[Address, Calls],
    address: Address,
    settings: ModelSettings,
    assumed: Assumed,
) -> PerCall:
    """Return the completion tokens of a call of a template in a domain."""
    role, model, template, _ = address
    ceiling = settings.sampling.max_tokens
    everywhere = find_calls(history, role, model, template or "")
    if not everywhere.answered:
        mean = assumed.completion_tokens
        return PerCall(mean, (mean / 2) ** 2, float(ceiling or math.inf), 0)
    own = history.get(address, Calls())
    prior = everywhere.completion_tokens / everywhere.answered
    weight = own.answered + PRIOR_WEIGHT
    mean = (own.completion_tokens + prior * PRIOR_WEIGHT) / weight
    variance = max(0.0, everywhere.completion_squares / everywhere.answered - prior**2) / weight
    most = float(ceiling or math.inf)
    return PerCall(min(mean, most), variance, most, int(everywhere.answered))


def attempts(calls: Calls) -> float:
    """Return how often a call is sent until it has an outcome."""
    return calls.attempts / calls.requests if calls.requests else 1.0


def latency(calls: Calls, assumed: Assumed) -> float:
    """Return the seconds that a call takes."""
    return calls.latency_s / calls.timed if calls.timed else assumed.latency_s


def dollars(calls: Calls, prices: Prices, prompt: float, completion: float) -> float | None:
    """Return what tokens cost at the recipe's prices; None if a price is unknown."""
    cached = calls.cached_tokens / calls.prompt_tokens if calls.prompt_tokens else 0.0
    thought = calls.reasoning_tokens / calls.completion_tokens if calls.completion_tokens else 0.0
    usage = Usage(
        prompt_tokens=round(prompt),
        cached_tokens=round(prompt * cached),
        completion_tokens=round(completion),
        reasoning_tokens=round(completion * thought),
    )
    return cost_usd(usage, prices)
