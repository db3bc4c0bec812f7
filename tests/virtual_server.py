"""A server in virtual time: a queue in front of some places, lognormal service, no waiting."""

import heapq
import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from tasks.llm.concurrency import Concurrency

SIGMA = 0.8


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of some calls: the wall time, the best possible one, and the second half."""

    wall_s: float
    ideal_s: float
    p95_s: float
    slots: float  # On average.


@dataclass(slots=True)
class VirtualServer:
    """Serves `capacity` calls at once in `mean(now)` seconds each; others queue unseen."""

    capacity: int
    mean: Callable[[float], float] = lambda now: 0.5
    refusals: float = 0.0
    seed: int = 1
    now: float = 0.0
    _drawn: list[float] = field(default_factory=list)
    _events: list[tuple[float, float, bool]] = field(default_factory=list)
    _queue: deque[float] = field(default_factory=deque)
    _busy: int = 0

    def work_off(self, concurrency: Concurrency, calls: int) -> Seen:
        """Let as many calls be under way as the limit says until so many are answered."""
        chance = random.Random(self.seed)
        coin = random.Random(self.seed + 1)
        answers: list[tuple[float, float, int]] = []
        under_way = begun = 0
        while len(answers) < calls:
            while under_way < concurrency.limit and begun < calls:
                begun, under_way = begun + 1, under_way + 1
                if coin.random() < self.refusals:
                    heapq.heappush(self._events, (self.now + 0.001, self.now, False))
                else:
                    self._queue.append(self.now)
                    self._serve(chance)
            self.now, came, answered = heapq.heappop(self._events)
            busy = under_way >= concurrency.limit
            under_way -= 1
            if answered:
                self._busy -= 1
                self._serve(chance)
                answers.append((self.now, self.now - came, concurrency.limit))
                concurrency.answered(self.now - came, busy=busy)
            else:
                begun -= 1
                concurrency.refused(under_way)
        return self._describe(answers, concurrency.ceiling)

    def _serve(self, chance: random.Random) -> None:
        while self._queue and self._busy < self.capacity:
            self._busy += 1
            mu = math.log(self.mean(self.now)) - SIGMA**2 / 2
            self._drawn.append(chance.lognormvariate(mu, SIGMA))
            heapq.heappush(self._events, (self.now + self._drawn[-1], self._queue.popleft(), True))

    def _describe(self, answers: list[tuple[float, float, int]], ceiling: int) -> Seen:
        free = [0.0] * min(self.capacity, ceiling)
        for seconds in self._drawn:
            heapq.heapreplace(free, free[0] + seconds)
        later = answers[len(answers) // 2 :]
        latencies = sorted(latency for _, latency, _ in later)
        return Seen(
            wall_s=self.now,
            ideal_s=max(free),
            p95_s=latencies[int(0.95 * len(latencies))],
            slots=sum(limit for _, _, limit in later) / len(later),
        )
