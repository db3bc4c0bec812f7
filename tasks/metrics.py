"""Metrics: what runs do, for Prometheus to collect; nobody is told anything unless asked.

    teachset_calls_total{recipe="mine",role="student",model="qwen3-8b",outcome="completed"} 48210
    teachset_calls_in_flight{model="qwen3-8b"} 61

Counted in every run, at a microsecond each; `TEACHSET_METRICS_PORT` makes `teachset run` and
`teachset serve` hand them out on loopback. Labels are names out of the recipe and our own words,
never a text that came out of a file or a model. docs/operations.md lists them.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from prometheus_client import Counter, Gauge, Histogram

_CALL_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500)
_STAGE_SECONDS = (0.1, 1, 10, 60, 300, 1_800, 7_200, 28_800)
_MODEL = ("role", "model")

CALLS = Counter("teachset_calls", "Calls that are over.", (*_MODEL, "outcome"))
FAILURES = Counter("teachset_attempt_failures", "Attempts that failed.", (*_MODEL, "failure"))
TOKENS = Counter("teachset_tokens", "Tokens that were paid for.", (*_MODEL, "kind"))
DOLLARS = Counter("teachset_dollars", "What calls cost, as far as prices are known.", _MODEL)
CALL_SECONDS = Histogram(
    "teachset_call_seconds", "How long answers took.", _MODEL, buckets=_CALL_SECONDS
)
IN_FLIGHT = Gauge(
    "teachset_calls_in_flight", "Calls under way.", ("model",), multiprocess_mode="livesum"
)
LIMIT = Gauge(
    "teachset_calls_limit",
    "Calls that may be under way at the moment.",
    ("model",),
    multiprocess_mode="livesum",
)
PENDING = Gauge(
    "teachset_calls_pending",
    "What a stage under way has left to do, as far as it knows.",
    ("stage",),
    multiprocess_mode="livesum",
)
STAGE_SECONDS = Histogram(
    "teachset_stage_seconds", "How long stages took.", ("stage",), buckets=_STAGE_SECONDS
)
VERDICTS = Counter("teachset_gate_verdicts", "Verdicts of gates.", ("recipe", "suite", "verdict"))
RUNS = Counter("teachset_runs", "Runs that are over.", ("recipe", "flow", "state"))
ALL = (
    *(CALLS, FAILURES, TOKENS, DOLLARS, CALL_SECONDS, IN_FLIGHT, LIMIT, PENDING),
    *(STAGE_SECONDS, VERDICTS, RUNS),
)


class Billed(Protocol):
    """What all attempts of a call took; None where nobody knows."""

    @property
    def prompt_tokens(self) -> int | None: ...
    @property
    def completion_tokens(self) -> int | None: ...
    @property
    def cost_usd(self) -> float | None: ...


@dataclass(frozen=True, slots=True)
class _OfCalls:
    """The metrics of the calls of one role to one model: looking each up takes longer than it."""

    prompt_tokens: Counter
    completion_tokens: Counter
    dollars: Counter
    seconds: Histogram


@lru_cache(maxsize=256)
def _of_calls(role: str, model: str) -> _OfCalls:
    return _OfCalls(
        TOKENS.labels(role, model, "prompt"),
        TOKENS.labels(role, model, "completion"),
        DOLLARS.labels(role, model),
        CALL_SECONDS.labels(role, model),
    )


def count_call(
    role: str, model: str, outcome: str, bill: Billed, seconds: float | None = None
) -> None:
    """Count a call that is over: what all its attempts cost, how long its answer took."""
    CALLS.labels(role, model, outcome).inc()
    metrics = _of_calls(role, model)
    metrics.prompt_tokens.inc(bill.prompt_tokens or 0)
    metrics.completion_tokens.inc(bill.completion_tokens or 0)
    metrics.dollars.inc(bill.cost_usd or 0.0)
    if seconds is not None:
        metrics.seconds.observe(seconds)
