"""What goes wrong between a client and a server, and how long an answer takes.

    faults   {"rate_limit": 0.05, "dropped": 0.01}   ->  the same request fails on the same attempts
    latency  {"kind": "lognormal", "mean": 0.8, "sigma": 0.5, "capacity": 16}

Both depend on the request and on how often it has been sent, never on time: a retry is a new draw.
"""

import math
from dataclasses import dataclass
from typing import Literal, get_args

from tasks.simulator.chance import draw, stream

FaultName = Literal[
    "rate_limit",
    "server_error",
    "hang",
    "malformed",
    "truncated",
    "refusal",
    "content_filter",
    "dropped",
]


@dataclass(frozen=True, slots=True)
class Faults:
    """The share of attempts that end in each fault.

    `retry_after_s` is what a 429 asks the client to wait; a hang answers nothing for `hang_s`
    seconds and then drops the connection.
    """

    rate_limit: float = 0.0
    server_error: float = 0.0
    hang: float = 0.0
    malformed: float = 0.0
    truncated: float = 0.0
    refusal: float = 0.0
    content_filter: float = 0.0
    dropped: float = 0.0
    retry_after_s: float = 1.0
    hang_s: float = 3600.0

    def __post_init__(self) -> None:
        rates = {name: getattr(self, name) for name in FAULT_NAMES}
        for name, rate in rates.items():
            if not 0 <= rate <= 1:
                raise ValueError(f"{name} must be between 0 and 1")
        if sum(rates.values()) > 1 + 1e-9:
            raise ValueError("the rates of all faults exceed 1 together")
        if self.retry_after_s < 0 or self.hang_s < 0:
            raise ValueError("retry_after_s and hang_s must not be negative")


@dataclass(frozen=True, slots=True)
class Latency:
    """How long a completion takes: not at all, `seconds`, or lognormal with a `mean` and a `sigma`.

    `capacity` is how many completions the server works on at once; the rest wait, unseen by the
    client, as with a real server.
    """

    kind: Literal["none", "fixed", "lognormal"] = "none"
    seconds: float = 0.2
    mean: float = 1.0
    sigma: float = 0.5
    capacity: int | None = None

    def __post_init__(self) -> None:
        if self.seconds < 0 or self.mean <= 0 or self.sigma < 0:
            raise ValueError("seconds and sigma must not be negative, mean must be above 0")
        if self.capacity is not None and self.capacity < 1:
            raise ValueError("capacity must be at least 1, or null")


FAULT_NAMES: tuple[FaultName, ...] = get_args(FaultName)


def pick_fault(faults: Faults, seed: int, request: str, attempt: int) -> FaultName | None:
    """Say what goes wrong on one attempt of one request, if anything."""
    chance = draw(seed, "fault", request, attempt)
    for name in FAULT_NAMES:
        rate: float = getattr(faults, name)
        if chance < rate:
            return name
        chance -= rate
    return None


def pick_delay(latency: Latency, seed: int, request: str, attempt: int) -> float:
    """Return how many seconds the server works on one attempt of one request."""
    if latency.kind == "none":
        return 0.0
    if latency.kind == "fixed":
        return latency.seconds
    # The mean of a lognormal is exp(mu + sigma² / 2).
    mu = math.log(latency.mean) - latency.sigma**2 / 2
    return stream(seed, "latency", request, attempt).lognormvariate(mu, latency.sigma)
