"""What the server saw: every request, what became of it, and how fast they came.

{"received": 812, "outcomes": {"ok": 800, "rate_limit": 12}, "distinct_requests": 800,
 "completed_per_request": {"1": 800}, "max_in_60_s": 812, "in_flight": 0, "peak_in_flight": 64}
"""

from collections import Counter, deque
from dataclasses import dataclass, field

WINDOW_S = 60.0


@dataclass(slots=True)
class Traffic:
    """Counts that grow while the server runs; times are monotonic seconds."""

    received: int = 0
    in_flight: int = 0
    peak_in_flight: int = 0
    max_in_window: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    attempts: Counter[str] = field(default_factory=Counter)
    completed: Counter[str] = field(default_factory=Counter)
    sampled: Counter[str] = field(default_factory=Counter)
    arrivals: deque[float] = field(default_factory=deque)

    def arrive(self, now: float) -> None:
        """Count a request that came in."""
        self.received += 1
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
        self.arrivals.append(now)
        while self.arrivals[0] <= now - WINDOW_S:
            self.arrivals.popleft()
        self.max_in_window = max(self.max_in_window, len(self.arrivals))

    def leave(self, outcome: str) -> None:
        """Count what became of a request."""
        self.in_flight -= 1
        self.outcomes[outcome] += 1

    def next_attempt(self, digest: str) -> int:
        """Return how often this very request has been sent before."""
        self.attempts[digest] += 1
        return self.attempts[digest] - 1

    def next_sample(self, digest: str) -> int:
        """Return how many samples this very request has had before."""
        self.sampled[digest] += 1
        return self.sampled[digest] - 1

    def describe(self, *, requests: bool = False) -> dict[str, object]:
        """Return the counts as JSON values; with `requests`, completions by request too."""
        repeats = Counter(self.completed.values())
        counts: dict[str, object] = {
            "received": self.received,
            "outcomes": dict(sorted(self.outcomes.items())),
            "distinct_requests": len(self.attempts),
            "completed": sum(self.completed.values()),
            "completed_per_request": {str(times): repeats[times] for times in sorted(repeats)},
            "max_in_60_s": self.max_in_window,
            "in_flight": self.in_flight,
            "peak_in_flight": self.peak_in_flight,
        }
        return {**counts, "requests": dict(self.completed)} if requests else counts


@dataclass(slots=True)
class Window:
    """A limit on how much may be used in any 60 seconds."""

    limit: int | None
    used: int = 0
    uses: deque[tuple[float, int]] = field(default_factory=deque)

    def wait_for(self, now: float, amount: int) -> float:
        """Use an amount and return 0, or use nothing and return the seconds to wait for it."""
        if self.limit is None:
            return 0.0
        while self.uses and self.uses[0][0] <= now - WINDOW_S:
            self.used -= self.uses.popleft()[1]
        if self.used + amount > self.limit and self.uses:
            return self.uses[0][0] + WINDOW_S - now
        self.uses.append((now, amount))
        self.used += amount
        return 0.0
